"""Results come back from their frames as they went in, whatever their sizes.

Covers `measurements/scored_length.py`, `measurements/evaluation.py`, `measurements/head_scores.py`,
`measurements/pattern.py`, `measurements/set_ablation.py`, `measurements/outcomes.py`, `measurements/own_settings.py`
and `records.py`.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented import small_study

from headreuse.measurements.base import MEASUREMENTS
from headreuse.records import OUTCOMES, Checkpoint, Evaluation, Head, HeadScores, MeanPattern
from headreuse.store.units import Unit
from headreuse.study.measure_spec import ATTRIBUTION_STEPS
from headreuse.tables.head_scores import head_score_rows

SIZE = st.integers(1, 4)


def written_and_read(kind, result, **settings):
    """The frame of a result of the task `copy`, and what is read back from it."""
    unit = Unit(kind, "1", Checkpoint(Path("checkpoint-5"), 5, "f" * 64), "copy", settings)
    frame = MEASUREMENTS[kind].to_frame(result)
    return frame, MEASUREMENTS[kind].from_frame(frame, unit)


def numbers(generator, *shape):
    return {name: generator.normal(size=shape).astype(np.float32) for name in OUTCOMES}


@given(n_layers=SIZE, n_heads=SIZE, n_examples=SIZE, seed=st.integers(0, 99))
def test_head_scores_survive_the_table(n_layers, n_heads, n_examples, seed):
    generator = np.random.default_rng(seed)
    effects = numbers(generator, n_layers, n_heads, n_examples)
    scores = HeadScores("copy", 4, "mean_ablation", numbers(generator, n_examples), effects)
    frame, back = written_and_read("head_scores", scores, length=4, method="mean_ablation")
    assert len(frame) == n_examples * (1 + n_layers * n_heads)
    assert (back.task, back.length, back.method) == ("copy", 4, "mean_ablation")
    for outcome in OUTCOMES:
        np.testing.assert_array_equal(back.baseline[outcome], scores.baseline[outcome])
        np.testing.assert_array_equal(back.effects[outcome], effects[outcome])


def test_a_score_with_settings_of_its_own_has_them_in_its_key_and_no_other_score_has():
    study = small_study()
    measures = study.measures.model_copy(update={"methods": ("mean_ablation", "attribution_patching")})
    study = study.model_copy(update={"measures": measures})
    wanted = MEASUREMENTS["head_scores"].wanted(study, study.groups[0], is_last=False)
    settings = {found["method"]: found for _, found in wanted}
    assert "score" not in settings["mean_ablation"]
    assert settings["attribution_patching"]["score"] == {"n_steps": ATTRIBUTION_STEPS}


def test_true_effects_of_whole_layers_survive_the_table_and_say_how_far_estimates_add_up():
    effects, whole = (np.random.default_rng(0).normal(size=shape).astype(np.float32) for shape in ((2, 3, 5), (2, 5)))
    baseline = {"exact_match": np.ones(5), "log_prob": np.zeros(5)}
    scores = HeadScores("copy", 4, "m", baseline, {"log_prob": effects}, whole_layers={"log_prob": whole})
    frame, back = written_and_read("head_scores", scores, length=4, method="m")
    assert (list(back.effects), list(back.whole_layers)) == (["log_prob"], ["log_prob"])
    assert back.baseline["exact_match"].tolist() == [1] * 5  # overlap asks for it, whatever the effects are of
    np.testing.assert_array_equal(back.whole_layers["log_prob"], whole)
    np.testing.assert_array_equal(back.effects["log_prob"], effects)
    assert frame.set_index(["layer", "head", "example"]).loc[(1, -1, 3), "log_prob"] == whole[1, 3]
    by_hand = HeadScores(
        *("copy", 4, "m", {"log_prob": np.zeros(1)}),
        {"log_prob": np.array([[[1.0], [2.0]], [[0.5], [0.0]]])},
        whole_layers={"log_prob": np.array([[4.0], [-1.0]])},
    )  # layers: estimated 3 and 0.5, true 4 and −1
    assert by_hand.completeness_error("log_prob") == pytest.approx((1 + 1.5) / 5)
    assert head_score_rows(by_hand)["completeness_error"].tolist() == [0.5] * 4


def test_standard_errors_of_drawn_subsets_survive_the_table_and_widen_the_intervals():
    generator = np.random.default_rng(0)
    baseline, effects = numbers(generator, 5), numbers(generator, 2, 3, 5)
    errors = {name: np.abs(values).mean(-1) for name, values in effects.items()}
    without = HeadScores("copy", 4, "banzhaf", baseline, effects)
    _, back = written_and_read("head_scores", replace(without, errors=errors), length=4, method="banzhaf")
    for name in OUTCOMES:
        np.testing.assert_array_equal(back.errors[name], errors[name])
        np.testing.assert_array_equal(back.effects[name], effects[name])
    narrow, wide = (
        rows["ci_high"] - rows["effect"] for rows in map(head_score_rows, (without, replace(without, errors=errors)))
    )
    of_drawing = np.concatenate([1.959964 * values.ravel() for values in errors.values()])
    np.testing.assert_allclose(wide**2, narrow**2 + of_drawing**2, rtol=1e-5)


def test_a_row_of_the_table_holds_the_effect_of_its_head_on_its_example():
    generator = np.random.default_rng(0)
    scores = HeadScores("copy", 4, "m", numbers(generator, 5), numbers(generator, 2, 3, 5))
    frame = MEASUREMENTS["head_scores"].to_frame(scores).set_index(["layer", "head", "example"])
    assert frame.loc[(1, 2, 3), "log_prob"] == scores.effects["log_prob"][1, 2, 3]
    assert frame.loc[(-1, -1, 3), "log_prob"] == scores.baseline["log_prob"][3]


def test_evaluations_survive_the_table_in_order_of_length():
    generator = np.random.default_rng(0)
    evaluations = [Evaluation("copy", length, numbers(generator, 3)) for length in (2, 7)]
    _, back = written_and_read("evaluation", evaluations, lengths=[2, 7])
    assert [(entry.task, entry.length) for entry in back] == [("copy", 2), ("copy", 7)]
    for before, after in zip(evaluations, back, strict=True):
        np.testing.assert_array_equal(after.outcomes["logit_diff"], before.outcomes["logit_diff"])


def test_losses_under_head_sets_survive_the_table():
    generator = np.random.default_rng(0)
    before = {source: {"log_prob": generator.normal(size=(3, 5)).astype(np.float32)} for source in ("reverse", "copy")}
    _, after = written_and_read("set_ablation", before)
    assert list(after) == ["reverse", "copy"]
    for source, losses in before.items():
        np.testing.assert_array_equal(after[source]["log_prob"], losses["log_prob"])


def test_the_top_heads_are_those_with_the_largest_effect():
    effects = {"log_prob": np.array([[[0.1], [3.0]], [[-5.0], [2.0]]])}
    scores = HeadScores("copy", 4, "m", {"log_prob": np.zeros(1)}, effects)
    assert scores.top(2) == {Head(0, 1), Head(1, 1)}


def test_mean_patterns_survive_the_table():
    pattern = np.random.default_rng(0).dirichlet(np.ones(3), size=(2, 4, 3)).astype(np.float32)
    before = MeanPattern("copy", 1, 9, ("BOS", "MARKER", "ANSWER"), pattern)
    _, after = written_and_read("pattern", before, length=1)
    assert (after.layout, after.n_prompts) == (before.layout, 9)
    np.testing.assert_array_equal(after.pattern, pattern)


def test_no_mean_pattern_is_read_back_as_none():
    assert written_and_read("pattern", None, length=1)[1] is None


def test_the_effect_of_a_head_is_the_mean_over_examples_with_the_baseline_beside_it():
    baseline, effects = {"log_prob": np.array([-1.0, -3.0])}, {"log_prob": np.array([[[1.0, 2.0]], [[0.0, -4.0]]])}
    frame = HeadScores("copy", 4, "m", baseline, effects).to_frame()
    assert frame["effect"].tolist() == [1.5, -2.0]
    assert frame["baseline"].tolist() == [-2.0, -2.0]
    labelled = HeadScores("copy", 4, "m", baseline, effects).to_xarray()
    assert labelled["log_prob"].sel(layer=1, head=0, example=1).item() == pytest.approx(-4.0)


def test_one_prompt_alone_has_effects_without_an_interval_and_says_nothing_on_the_screen():
    frame = head_score_rows(
        HeadScores("copy", 4, "m", {"log_prob": np.array([-1.0])}, {"log_prob": np.ones((1, 2, 1))})
    )
    assert frame["effect"].tolist() == [1.0, 1.0]
    assert frame[["ci_low", "ci_high"]].isna().all(axis=None)
