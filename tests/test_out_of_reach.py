"""Attention over distances that training never had: `analyses/out_of_reach.py`, by hand and of even attention."""

import numpy as np
import pytest
import torch

from analyses.out_of_reach import out_of_reach, rows_of
from analyses.runs import Model
from headreuse.models.architectures import build_model
from headreuse.models.positions import POSITIONS
from headreuse.models.positions.coupled import rule_of
from headreuse.prompts import Vocabulary
from headreuse.study import parse_study

STUDY = parse_study(
    {
        "name": "far",
        "alphabet_size": 4,
        "model": {"n_layers": 2, "n_heads": 2, "d_model": 16, "position": "coupled_fixed"},
        "groups": [{"name": "copies", "main": {"task": "copy", "max_length": 2}, "transfer_to": 4}],
    },
    "far",
)
TASK = STUDY.task("copy")
VOCABULARY = Vocabulary.of([TASK])


def prompts_of(length: int):
    lengths = np.full(5, length)
    return VOCABULARY.encode(TASK, TASK.generate(lengths, np.random.default_rng(0)), lengths)


def test_out_of_reach_by_hand():
    """Tokens are BOS, marker, letters, `=` and letters again; the ids of copies of 2 are 2 3, 1, 2 3."""
    # From `=` to itself and the letters 0, 1, 2; from the first letter of the answer also -1, from the last -2.
    trained = {-2, -1, 0, 1, 2}
    found = out_of_reach(prompts_of(4), prompts_of(2), [rule_of(TASK, VOCABULARY)])
    ids = [0, 0, 2, 3, 4, 5, 1, 2, 3, 4, 5, 0]
    for query, key in np.ndindex(12, 12):
        looks_and_sees = 6 <= query <= 10 and 2 <= key <= query
        expected = looks_and_sees and ids[key] - ids[query] not in trained
        assert (found[:, query, key] == expected).all(), (query, key)
    # 3 and 4 from `=`, 3 from the first letter, -3 from the third, and -3, -4, -3 from the last.
    assert found[0].sum() == 7


def test_even_attention_gives_the_even_share():
    settings = POSITIONS["coupled_fixed"].settings([TASK], VOCABULARY, 16)
    group = STUDY.groups[0]
    decoder = build_model(
        STUDY.model_of(group), vocab_size=len(VOCABULARY), max_positions=64, seed=0, settings=settings
    )
    with torch.no_grad():
        for layer in decoder.model.layers:
            layer.self_attn.q_proj.weight.zero_()
    rows = rows_of(STUDY, Model(group, decoder.eval(), VOCABULARY, "none", 1))
    assert [row[0] for row in rows] == [3, 4]
    for _, n, attention, even in rows:
        assert n == STUDY.measures.n_score_examples
        assert attention == pytest.approx(even, abs=1e-6)
    # Of copies of 3: from `=` one of its six tokens, from the last letter of the answer one of nine.
    assert rows[0][3] == pytest.approx((1 / 6 + 1 / 9) / 2)
