"""Attention over distances that training never had: `analyses/out_of_reach.py`, by hand and of even attention."""

import numpy as np
import pandas as pd
import pytest
import torch

from analyses.out_of_reach import COLUMNS, distances, rows_of, run
from analyses.runs import Model
from headreuse.errors import HeadreuseError
from headreuse.models.architectures import build_model
from headreuse.models.positions import POSITIONS
from headreuse.models.positions.coupled import rule_of
from headreuse.prompts import Vocabulary
from headreuse.store.folder import RunFolder
from headreuse.study import parse_study

STUDY = parse_study(
    {
        "name": "far",
        "alphabet_size": 4,
        "model": {"n_layers": 2, "n_heads": 2, "d_model": 16, "position": "coupled_fixed"},
        "measures": {"n_score_examples": 5},
        "groups": [{"name": "copies", "main": {"task": "copy", "max_length": 2}, "transfer_to": 4}],
    },
    "far",
)
TASK = STUDY.task("copy")
VOCABULARY = Vocabulary.of([TASK])
IDS = [0, 0, 2, 3, 4, 5, 1, 2, 3, 4, 5, 0]
"""Of copies of 4: BOS, marker, letters, `=`, letters, EOS."""


def test_distances_by_hand():
    lengths = np.full(5, 4)
    prompts = VOCABULARY.encode(TASK, TASK.generate(lengths, np.random.default_rng(0)), lengths)
    found, counted = distances(prompts, [rule_of(TASK, VOCABULARY)])
    for query, key in np.ndindex(12, 12):
        assert counted[query, key] == (6 <= query <= 10 and 2 <= key <= query)
        assert found[query, key] == IDS[key] - IDS[query]


@pytest.fixture
def table():
    """Of a model of even attention."""
    settings = POSITIONS["coupled_fixed"].settings([TASK], VOCABULARY, 16)
    group = STUDY.groups[0]
    decoder = build_model(
        STUDY.model_of(group), vocab_size=len(VOCABULARY), max_positions=64, seed=0, settings=settings
    )
    with torch.no_grad():
        for layer in decoder.model.layers:
            layer.self_attn.q_proj.weight.zero_()
    rows = rows_of(STUDY, Model(group, decoder.eval(), VOCABULARY, "none", 1))
    return pd.DataFrame(rows, columns=COLUMNS[2:])


def test_even_attention_gives_its_share_at_each_distance(table):
    assert set(table["length"]) == {4}
    assert set(table["n"]) == {5}
    assert len(table) == 2 * 2 * 9
    shares = table.groupby("distance")["attention"].agg(["min", "max"])
    assert (shares["max"] - shares["min"]).max() < 1e-6
    # From `=`, seventh of the tokens, to the last letter; from the last letter, the eleventh, to `=`.
    assert shares.loc[4, "max"] == pytest.approx(1 / 7)
    assert shares.loc[-4, "max"] == pytest.approx(1 / 11)
    # From `=` and the first letter, one each; from the third letter and the last, one and two.
    assert shares.loc[3, "max"] == pytest.approx((1 / 7 + 1 / 8) / 2)
    assert shares.loc[-3, "max"] == pytest.approx((1 / 10 + 2 / 11) / 2)


def test_what_training_had_is_what_main_s_longest_prompts_have(table):
    """Copies of 2 have the ids 2 3, 1, 2 3."""
    assert set(table.loc[table["trained"], "distance"]) == {-2, -1, 0, 1, 2}


def test_ids_that_differ_between_prompts_are_refused():
    lengths = np.array([3, 4])
    prompts = VOCABULARY.encode(TASK, TASK.generate(lengths, np.random.default_rng(0)), lengths)
    with pytest.raises(HeadreuseError, match="copy: ids differ between prompts"):
        distances(prompts, [rule_of(TASK, VOCABULARY)])


def test_a_folder_without_finished_runs_is_refused(tmp_path):
    with pytest.raises(HeadreuseError, match="no run with coupled positions is finished"):
        run(RunFolder.create(tmp_path / "far", STUDY, "test"))
