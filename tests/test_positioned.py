"""Position schemes in a study: what is refused, what its models are made for, and how they are trained.

Covers what of `study/unfolding.py`, `study/settings_digest.py`, `training/batches.py` and `training/joint.py` is for
positions.
"""

from pathlib import Path

import pytest
import torch

from headreuse.models.checkpoints import load_model
from headreuse.models.positions import POSITIONS
from headreuse.models.positions._registry import DRAWN
from headreuse.prompts import Vocabulary
from headreuse.sources.series.about import about_folder
from headreuse.study import Study, StudyError, parse_study
from headreuse.study.model_spec import POSITIONS as NAMES
from headreuse.study.model_spec import TABLES_OF_POSITIONS
from headreuse.study.settings_digest import training_digest
from headreuse.training.batches import Batches
from headreuse.training.joint import train
from headreuse.training.watching import watched_prompts

GROUP = {
    "name": "g",
    "main": {"task": "copy", "max_length": 2},
    "auxiliary": [{"task": "reverse", "max_length": 3}],
}


def study_of(
    position: str = "rope",
    *,
    model: dict | None = None,
    training: dict | None = None,
    measures: dict | None = None,
    **group,
) -> Study:
    raw = {
        "name": "s",
        "alphabet_size": 3,
        "model": {"n_layers": 1, "n_heads": 2, "d_model": 16, "position": position} | (model or {}),
        "training": {"steps": 4, "batch_size": 6, "checkpoints": {"every": 2}} | (training or {}),
        "measures": measures or {},
        "groups": [GROUP | group],
    }
    return parse_study(raw, "study.toml")


def problem(*args, **kwargs) -> str:
    with pytest.raises(StudyError) as caught:
        study_of(*args, **kwargs)
    return str(caught.value)


def test_the_files_of_the_room_are_the_schemes_of_its_registry_and_those_that_learn_rows_are_known():
    assert set(POSITIONS) == set(NAMES)
    assert {name for name, scheme in POSITIONS.items() if scheme.starts_anywhere} == set(TABLES_OF_POSITIONS)


def test_one_entry_gives_twins_of_every_scheme():
    study = study_of(positions=list(NAMES))
    assert {group.name: group.model.position for group in study.groups} == {f"g-{name}": name for name in NAMES}
    assert {group.twins for group in study.groups} == {"g"}


def test_what_does_not_suit_a_scheme_is_one_line():
    unknown = problem("alibbi")
    assert 'unknown position scheme "alibbi"' in unknown
    assert "alibi" in unknown
    uncoupled = problem("coupled", main={"task": "mqar", "max_length": 2})
    assert 'groups[0]: position "coupled" needs tasks that say which symbols belong together' in uncoupled
    assert "and mqar does not; take another position there" in uncoupled
    for position in TABLES_OF_POSITIONS:
        beyond = problem(position, evaluate_to=13)
        assert "groups[0]: curves of accuracy go to length 13, but its models have positions for length 12" in beyond
        assert "set model.positions_to = 13, or lower evaluate_to" in beyond
    assert study_of("coupled", evaluate_to=13, model={"positions_to": 13})
    assert study_of("fire", evaluate_to=13)


def test_how_far_positions_are_learned_is_part_of_what_a_checkpoint_depends_on():
    def digest(position: str, **changes) -> str:
        study = study_of(position, **changes)
        return training_digest(study, study.groups[0])

    for position in TABLES_OF_POSITIONS:
        digests = {digest(position), digest(position, transfer_to=4), digest(position, model={"positions_to": 30})}
        assert len(digests) == 3
        assert digest(position, model={"positions_to": 12}) == digest(position)
    assert digest("rope", transfer_to=4) == digest("rope")


def batches_of(position: str, **training) -> Batches:
    study = study_of(position, training=training)
    vocabulary = Vocabulary.of([study.task(name) for name in study.groups[0].task_names])
    return Batches(study, study.groups[0], vocabulary, 0)


def test_starts_are_drawn_beside_the_batches_that_twins_share():
    plain, coupled, in_parts = batches_of("rope"), batches_of("coupled"), batches_of("coupled", micro_batch=3)
    assert DRAWN not in plain.batch(0)
    for step in range(3):
        batch = coupled.batch(step)
        assert torch.equal(batch["input_ids"], plain.batch(step)["input_ids"])
        assert batch[DRAWN].shape == (6, 1)
        assert len(batch[DRAWN].unique()) == 6
        parts = [in_parts.batch(step, part)[DRAWN] for part in (0, 1)]
        assert torch.equal(torch.cat(parts).sort(dim=0).values, batch[DRAWN].sort(dim=0).values)
    assert not torch.equal(coupled.batch(0)[DRAWN], coupled.batch(1)[DRAWN])


@pytest.mark.parametrize("position", TABLES_OF_POSITIONS)
def test_while_training_no_length_is_looked_at_for_which_there_are_no_positions(position):
    def watched(**model) -> set[int]:
        study = study_of(position, model=model, measures={"beyond": 0})
        vocabulary = Vocabulary.of([study.task(name) for name in study.groups[0].task_names])
        return {int(one.prompts.lengths[0]) for one in watched_prompts(study, study.groups[0], vocabulary)}

    assert watched() == {2, 3, 4}
    assert watched(positions_to=3) == {2, 3}


class _StoppedError(Exception):
    pass


@pytest.mark.parametrize(
    "position",
    ["coupled", *(pytest.param(name, marks=pytest.mark.slow) for name in ("alibi", "ape", "coupled_fixed", "fire"))],
)
def test_an_interrupted_training_ends_as_an_undisturbed_one_with_positions_for_the_longest_prompts(
    position, tmp_path: Path
):
    study = study_of(position)

    def stop(step: int, _loss: float) -> None:
        if step == 3:
            raise _StoppedError

    group = study.groups[0]
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    train(study, group, 0, tmp_path / "whole", on_step=lambda step, loss: None)
    with pytest.raises(_StoppedError):
        train(study, group, 0, tmp_path / "stopped", on_step=stop)
    train(study, group, 0, tmp_path / "stopped", on_step=lambda step, loss: None)
    last = [tmp_path / name / "checkpoint-4" for name in ("whole", "stopped")]
    weights = [(folder / "model.safetensors").read_bytes() for folder in last]
    assert weights[0] == weights[1]

    model = load_model(last[0])
    # 12 letters on either side with `=` between, in the frame of BOS, marker and EOS; or s to s + 12 from s = 1 on.
    expected = {"ape": 12 + 1 + 12 + 3, "coupled": 13, "coupled_fixed": 6 + 13 + 6}.get(position, 2048)
    assert model.config.max_position_embeddings == expected
    assert about_folder(last[0]).position == position
    if position == "coupled":
        tokens = {token: index for index, token in enumerate(Vocabulary.read(last[0]).tokens)}
        rules = [(rule["marker"], rule["separators"], rule["mirrored"]) for rule in model.config.coupling]
        assert rules == [(tokens["<copy>"], [tokens["="]], False), (tokens["<reverse>"], [tokens["="]], True)]
