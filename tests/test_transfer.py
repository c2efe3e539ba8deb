"""Gap, transfer fraction and regimes against worked arithmetic; intervals against scipy and by simulation.

Covers `tables/transfer.py`.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from headreuse.records import Evaluation
from headreuse.study import Group
from headreuse.tables.accuracy import accuracy_rows, clopper_pearson
from headreuse.tables.transfer import (
    transfer_table,
)


def group(main: int = 2, auxiliary: tuple[int, ...] = (4,), name: str = "g", **changes) -> Group:
    names = ["capitalize", "reverse"]
    return Group.model_validate(
        {
            "name": name,
            "main": {"task": "capitalize_reverse", "max_length": main},
            "auxiliary": [{"task": task, "max_length": n} for task, n in zip(names, auxiliary, strict=False)],
        }
        | changes
    )


def accuracy(curves: dict[str, list[float]], *, first: int = 1, seed: int = 0, step: int = 10) -> pd.DataFrame:
    rows = [
        ("g", seed, step, task, length, value)
        for task, curve in curves.items()
        for length, value in enumerate(curve, start=first)
    ]
    return pd.DataFrame(rows, columns=["group", "seed", "step", "task", "length", "accuracy"])


def test_limits_are_scipys_exact_ones():
    low, high = clopper_pearson(np.array([0, 3, 256]), np.array([10, 10, 256]))
    for i, (k, n) in enumerate([(0, 10), (3, 10), (256, 256)]):
        judge = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
        assert (low[i], high[i]) == pytest.approx((judge.low, judge.high), abs=1e-12)


def test_accuracy_rows_count_whole_answers():
    evaluation = Evaluation("copy", 5, {"exact_match": np.array([1.0, 0.0, 1.0, 1.0]), "log_prob": -np.ones(4)})
    (row,) = accuracy_rows([evaluation]).to_dict("records")
    judge = stats.binomtest(3, 4).proportion_ci(0.95, method="exact")
    assert row == {
        "task": "copy",
        "length": 5,
        "n": 4,
        "accuracy": 0.75,
        "ci_low": pytest.approx(judge.low),
        "ci_high": pytest.approx(judge.high),
    }


def test_gap_and_regimes_by_hand():
    curves = {"capitalize_reverse": [1.0, 0.8, 0.5, 0.1, 0.0, 0.2], "capitalize": [1.0, 1.0, 1.0, 0.9, 0.3, 0.0]}
    (row,) = transfer_table(accuracy(curves), [group()]).to_dict("records")
    assert row["gap"] == pytest.approx((0.0 + 0.2 + 0.5 + 0.8) / 4)
    assert row["transfer_fraction"] == pytest.approx(1 - 0.375 / 0.5)
    assert row["accuracy_in_distribution"] == pytest.approx(0.9)
    assert row["accuracy_transfer"] == pytest.approx(0.3)
    assert row["accuracy_beyond"] == pytest.approx(0.1)
    assert row["accuracy_at_max"] == pytest.approx(0.8)
    assert row["accuracy_auxiliary"] == pytest.approx(3.9 / 4)


def test_the_gap_is_averaged_as_far_as_training_goes_and_transfer_as_far_as_its_range():
    main = [1.0] * 4 + [0.0] * 2 + [0.5] * 10 + [0.25] * 2  # its transfer range ends at 16
    auxiliary = [1.0] * 8 + [0.0] * 10
    chosen = group(4, (8,), transfer_to=16)
    assert (chosen.trained_to, chosen.transfer_to) == (8, 16)
    (row,) = transfer_table(accuracy({"capitalize_reverse": main, "capitalize": auxiliary}), [chosen]).to_dict(
        "records"
    )
    assert row["gap"] == pytest.approx((4 * 0 + 2 * 1.0 + 2 * 0.5) / 8)
    assert row["transfer_fraction"] == pytest.approx(1 - row["gap"] / (1 - 4 / 8))
    assert row["accuracy_auxiliary"] == 1.0
    assert row["accuracy_in_distribution"] == 1.0
    assert row["accuracy_transfer"] == pytest.approx((2 * 0.0 + 10 * 0.5) / 12)
    assert row["accuracy_beyond"] == 0.25


def test_a_main_task_alone_has_a_transfer_range_where_one_is_given():
    curve = {"capitalize_reverse": [1.0, 1.0, 0.5, 0.0, 0.25]}
    row = transfer_table(accuracy(curve), [group(auxiliary=(), transfer_to=4)]).iloc[0]
    assert np.isnan([row["gap"], row["transfer_fraction"]]).all()
    assert (row["accuracy_transfer"], row["accuracy_beyond"]) == (0.25, 0.25)


def test_several_auxiliaries_are_averaged_before_the_difference():
    curves = {"capitalize_reverse": [0.5] * 4, "capitalize": [1.0] * 4, "reverse": [0.0] * 4}
    (row,) = transfer_table(accuracy(curves), [group(auxiliary=(4, 4))]).to_dict("records")
    assert row["gap"] == 0.0


def test_no_transfer_and_full_transfer_are_0_and_1():
    longer = [1.0] * 8
    none = transfer_table(
        accuracy({"capitalize_reverse": [1.0] * 4 + [0.0] * 4, "capitalize": longer}), [group(4, (8,))]
    )
    full = transfer_table(accuracy({"capitalize_reverse": longer, "capitalize": longer}), [group(4, (8,))])
    assert none["transfer_fraction"].tolist() == [0.0]
    assert full["transfer_fraction"].tolist() == [1.0]


def test_gap_begins_at_the_common_smallest_length():
    table = pd.concat(
        [accuracy({"capitalize_reverse": [0.0, 0.5]}, first=3), accuracy({"capitalize": [1.0, 1.0, 1.0, 1.0]})]
    )
    assert transfer_table(table, [group()])["gap"].tolist() == [0.75]


def test_alone_and_at_equal_lengths_what_is_undefined_is_nan():
    curves = {"capitalize_reverse": [1.0, 0.5, 0.0], "capitalize": [1.0, 1.0, 1.0]}
    alone = transfer_table(accuracy(curves), [group(auxiliary=())]).iloc[0]
    equal = transfer_table(accuracy(curves), [group(auxiliary=(2,))]).iloc[0]
    assert np.isnan([alone["gap"], alone["transfer_fraction"], alone["accuracy_transfer"]]).all()
    assert alone["accuracy_in_distribution"] == 0.75
    assert equal["gap"] == 0.25
    assert np.isnan(equal["transfer_fraction"])


def test_a_task_that_was_not_evaluated_leaves_the_gap_open():
    table = transfer_table(accuracy({"capitalize_reverse": [1.0, 0.5, 0.0]}), [group()])
    assert table["gap"].isna().all()
    assert table["accuracy_in_distribution"].tolist() == [0.75]


def test_one_row_per_checkpoint_of_each_group():
    curves = {"capitalize_reverse": [1.0, 0.5, 0.0, 0.0], "capitalize": [1.0] * 4}
    checkpoints = [(0, 10), (0, 20), (1, 10)]
    table = pd.concat([accuracy(curves, seed=seed, step=step) for seed, step in checkpoints])
    result = transfer_table(table, [group(), group(name="absent")])
    assert list(zip(result["seed"], result["step"], strict=True)) == checkpoints
    assert set(result["group"]) == {"g"}


def test_without_any_row_the_columns_are_still_there():
    table = transfer_table(accuracy({}), [group()])
    assert len(table) == 0
    assert {"group", "seed", "step", "gap", "transfer_fraction", "accuracy_beyond"} <= set(table.columns)


def test_intervals_over_examples_cover_and_tau_mirrors_the_gap():
    generator = np.random.default_rng(0)
    truth = {"capitalize_reverse": np.array([0.95, 0.7, 0.4, 0.1]), "capitalize": np.array([0.99, 0.97, 0.9, 0.8])}
    drawn = [
        accuracy({task: generator.binomial(64, rate) / 64 for task, rate in truth.items()}, step=i) for i in range(400)
    ]
    table = transfer_table(pd.concat(drawn).assign(n=64), [group()])
    gap = np.mean(truth["capitalize"] - truth["capitalize_reverse"])
    for name, value in {"gap": gap, "accuracy_transfer": 0.25, "transfer_fraction": 1 - 2 * gap}.items():
        held = (table[f"{name}_ci_low"] <= value) & (table[f"{name}_ci_high"] >= value)
        assert 0.92 <= held.mean() <= 0.99
    assert np.isnan(transfer_table(drawn[0], [group()])["gap_ci_low"]).all()


def test_the_variance_of_an_average_of_auxiliaries_is_that_of_the_average():
    curves = {"capitalize_reverse": [0.5] * 4, "capitalize": [0.5] * 4, "reverse": [0.5] * 4}
    row = transfer_table(accuracy(curves).assign(n=98), [group(auxiliary=(4, 4))]).iloc[0]
    of_one = 0.25 / 98
    half = stats.norm.ppf(0.975) * np.sqrt((of_one + of_one / 2) / 4)
    assert row["gap_ci_high"] == pytest.approx(half)
