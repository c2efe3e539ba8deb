"""Which subsets does a study ask for, under which key, and at what cost?

Covers `study/subsets.py`; `measurements/own_settings.py` is covered by `test_measurements.py` too.
"""

from headreuse.measurements.head_scores import HeadScoresOf
from headreuse.measurements.own_settings import OWN
from headreuse.study import parse_study
from headreuse.study.subsets import n_ablated, n_drawn, n_passes


def settings_of(**changes: object) -> dict[str, dict]:
    """By method, the settings of main's head scores."""
    measures = {"methods": ["mean_ablation", "banzhaf", "shapley"]} | changes
    groups = [{"name": "g", "main": {"task": "copy", "max_length": 4}}]
    study = parse_study({"name": "s", "groups": groups, "measures": measures}, "study.toml")
    (group,) = study.groups
    wanted = [settings for _, settings in HeadScoresOf().wanted(study, group, is_last=False)]
    return {entry["method"]: dict(entry, cost=HeadScoresOf().cost(study, group, entry)) for entry in wanted}


def test_all_subsets_are_taken_of_few_heads_and_some_in_pairs_of_many():
    assert [n_drawn(n_heads, None) for n_heads in (8, 12, 13, 36)] == [None, None, 156, 432]
    assert [n_drawn(8, asked) for asked in (20, 21, 256, 999)] == [20, 22, None, None]
    assert [n_ablated(8, None), n_ablated(8, 20), n_ablated(36, None)] == [256, 20, 432]


def test_share_number_and_seed_stand_in_the_keys_of_the_scores_that_have_them():
    plain, changed = settings_of(), settings_of(ablated_share=0.2, subsets=64)
    assert OWN not in plain["mean_ablation"]
    assert plain["mean_ablation"] == changed["mean_ablation"]
    seed = plain["banzhaf"][OWN]["seed"]
    assert plain["banzhaf"][OWN] == {"q": 0.5, "seed": seed}
    assert plain["shapley"][OWN] == {"seed": seed}
    assert changed["banzhaf"][OWN] == {"q": 0.2, "seed": seed, "n_subsets": 64}
    assert changed["shapley"][OWN] == {"seed": seed, "n_subsets": 64}


def test_subsets_cost_what_their_tree_does():
    plain, fewer = settings_of(), settings_of(subsets=64)
    one = plain["mean_ablation"]["cost"] / 8
    assert plain["banzhaf"]["cost"] == n_passes(2, 4, None) * one
    assert fewer["shapley"]["cost"] == n_passes(2, 4, 64) * one


def test_what_the_tree_costs_by_hand():
    # Two layers of four heads: 1 and 16 choices below a layer, 16 and 256 with its own, the last at half the positions.
    assert n_passes(2, 4, None) == (0.25 * (1 + 16) + 0.75 * (16 + 0.5 * 256)) / 2
    # Few subsets of a deep model share only what lies before the first head.
    assert n_passes(6, 6, 400) == (0.25 * (1 + 64 + 4 * 400) + 0.75 * (64 + 4 * 400 + 0.5 * 400)) / 6
