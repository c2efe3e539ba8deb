"""What is measured of tasks that are confined to some heads, in a whole run folder of models with random weights.

Covers what of `measurements/base.py` and `measurements/loaded.py` is for masks.
"""

import numpy as np
import pytest
import torch
from invented import report_inputs

from headreuse.evaluation import evaluate
from headreuse.interventions.head_sets import set_ablation
from headreuse.measurements.ablation_by_length import AblationsByLengthOf
from headreuse.measurements.evaluation import Evaluations
from headreuse.measurements.head_scores import HeadScoresOf
from headreuse.measurements.loaded import Loaded
from headreuse.measurements.pattern import MeanPatterns
from headreuse.measurements.set_ablation import SetAblationsOf, other_sets
from headreuse.models.anatomy import anatomy_of
from headreuse.models.architectures import build_model
from headreuse.models.checkpoints import note_whole
from headreuse.models.masks import masked
from headreuse.models.tokenizer import build_tokenizer
from headreuse.prompts import Vocabulary
from headreuse.records import Head
from headreuse.report.asked import asked
from headreuse.report.caveats import caveats
from headreuse.store.folder import RunFolder
from headreuse.study import parse_study
from headreuse.tables.results import Results
from headreuse.work.engines import run_here
from headreuse.work.progress import progress
from headreuse.work.schedule import work
from headreuse.work.shards import Shard

STUDY = {
    "name": "masks",
    "alphabet_size": 3,
    "model": {"n_layers": 2, "n_heads": 4, "d_model": 16},
    "training": {"steps": 1},
    "measures": {
        "methods": ["mean_ablation", "direct_effect"],
        "n_examples": 8,
        "n_score_examples": 8,
        "beyond": 0,
        "baseline_floor": 0.0,
        "ablation_by_length": True,
    },
    "groups": [
        {
            "name": "g",
            "main": {"task": "copy", "max_length": 3},
            "auxiliary": [{"task": "reverse", "max_length": 3}],
            "heads": ["half", "disjoint"],
        }
    ],
}
OWN = {"copy": [0, 1], "reverse": [2, 3]}
"""Of the disjoint group."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """By group the results of its one checkpoint; both have the same weights."""
    study = parse_study(STUDY, "masks")
    folder = RunFolder.create(tmp_path_factory.mktemp("masks") / "run", study, "test")
    vocabulary = Vocabulary.of([study.task(name) for name in OWN])
    for group in study.groups:
        path = folder.series_folder(group.name, 0) / "checkpoint-1"
        model = build_model(study.model, vocab_size=len(vocabulary), max_positions=32, seed=0)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(std=0.5, generator=generator)
        model.save_pretrained(path)
        build_tokenizer(vocabulary).save_pretrained(path)
        note_whole(path, group.name, 0, 1, heads=group.heads_by_task)
    assert work(folder, progress(folder), run_here, shard=Shard(1, 1), train=False, measure=True) == []
    return {found.group.name: found for found in Results(folder).checkpoints()}


def test_groups_of_one_model_with_different_masks_share_no_result(measured):
    half, disjoint = measured["g-half"], measured["g-disjoint"]
    assert half.checkpoint.fingerprint == disjoint.checkpoint.fingerprint
    assert not {unit.key for unit in half.units} & {unit.key for unit in disjoint.units}
    ours, theirs = ({one.task: one for one in found.results(HeadScoresOf)} for found in (half, disjoint))
    assert not np.array_equal(ours["reverse"].baseline["log_prob"], theirs["reverse"].baseline["log_prob"])


def test_everything_is_measured_with_the_other_heads_silent_and_the_weights_come_back(measured):
    found = measured["g-disjoint"]
    loaded = Loaded(found.folder.units, found.study, found.run.source, found.checkpoint)
    before = [weight.clone() for weight in loaded.model.parameters()]
    for unit, kept in zip(found.units_of(Evaluations), found.results(Evaluations), strict=True):
        prompts = loaded.prompts(unit, 1)
        with loaded.masked_for(unit):
            pass
        silent = [head for head in range(4) if head not in OWN[unit.task]]

        def without(_module, inputs, silent=silent):
            z = inputs[0].unflatten(-1, (4, -1)).clone()
            z[:, :, silent] = 0
            return (z.flatten(-2),)

        handles = [block.out_proj.register_forward_pre_hook(without) for block in anatomy_of(loaded.model).blocks]
        expected = evaluate(loaded.model, prompts, micro_batch=8).outcomes["log_prob"]
        for handle in handles:
            handle.remove()
        np.testing.assert_allclose(kept[0].outcomes["log_prob"], expected, atol=1e-5)
        assert not np.allclose(evaluate(loaded.model, prompts, micro_batch=8).outcomes["log_prob"], expected, atol=1e-3)
    assert all(torch.equal(*pair) for pair in zip(before, loaded.model.parameters(), strict=True))


@pytest.mark.parametrize("method", STUDY["measures"]["methods"])
def test_a_masked_head_has_no_effect_and_is_no_top_head(measured, method):
    for scores in (one for one in measured["g-disjoint"].results(HeadScoresOf) if one.method == method):
        others = [head for head in range(4) if head not in OWN[scores.task]]
        effects = scores.effects["log_prob"]
        assert (effects[:, others] == 0).all()
        assert (effects[:, OWN[scores.task]] != 0).any(axis=-1).all()
        assert scores.top(8) == {Head(layer, head) for layer in (0, 1) for head in OWN[scores.task]}


def test_a_task_loses_exactly_nothing_without_the_other_tasks_heads(measured):
    found = measured["g-disjoint"]
    for unit, losses in zip(found.units_of(SetAblationsOf), found.results(SetAblationsOf), strict=True):
        for source, by_outcome in losses.items():
            assert (by_outcome["log_prob"] != 0).any() == (source == unit.task)
            assert (by_outcome["log_prob"] == 0).all() == (source != unit.task)


def test_without_its_own_heads_a_task_has_none_and_without_all_others_everything(measured):
    found = measured["g-disjoint"]
    loaded = Loaded(found.folder.units, found.study, found.run.source, found.checkpoint)
    unit = found.units_of(Evaluations)[0]
    prompts, (own, others) = loaded.prompts(unit, 3), OWN.values()
    sets = [{Head(layer, head) for layer in (0, 1) for head in heads} for heads in (own, others)]
    with loaded.masked_for(unit):
        losses = set_ablation(loaded.model, prompts, sets, replacement="zero")
    with masked(loaded.model, ()):
        without_any = evaluate(loaded.model, prompts).outcomes["log_prob"]
    left = losses.baseline["log_prob"] - losses.effects["log_prob"]
    np.testing.assert_allclose(left[0], without_any, atol=1e-4)
    assert np.abs(losses.effects["log_prob"][0]).min() > 1e-3
    assert (losses.effects["log_prob"][1] == 0).all()


def test_other_sets_are_made_of_heads_that_the_task_may_use(measured):
    unit = measured["g-half"].units_of(SetAblationsOf)[0]
    found = other_sets(frozenset({Head(0, 1), Head(1, 2)}), (1, 2), unit, "reverse")
    assert set(found) == {frozenset({Head(0, a), Head(1, b)}) for a in (1, 2) for b in (1, 2)} - {
        frozenset({Head(0, 1), Head(1, 2)})
    }


def test_patterns_know_the_heads_of_their_task(measured):
    assert [one.heads for one in measured["g-half"].results(MeanPatterns)] == [(0, 1), (1, 2)]


def test_along_length_each_set_is_compared_with_sets_of_the_same_task(measured):
    (found,) = measured["g-disjoint"].results(AblationsByLengthOf)
    for entry in found.sets:
        own = {head for head in entry.heads.split() if int(head[-1]) in OWN["copy"]}
        assert bool(own) == (entry.ablated in ("main", "main_only"))
        if entry.ablated == "auxiliary":
            assert (entry.losses["log_prob"] == 0).all()
            assert (entry.others["log_prob"] == 0).all()


def test_the_report_says_which_heads_each_task_may_use():
    inputs = report_inputs(parse_study(STUDY, "masks"), n_checkpoints=2)
    assert "Of the heads of every layer copy may use 0 and 1; reverse may use 2 and 3." in asked(inputs)[2]
    assert [
        line for line in caveats(inputs) if line.startswith("In g-half and g-disjoint each task may use some heads")
    ]
