"""The check of shapes would see a false one."""

from dataclasses import dataclass

import numpy as np
import pytest
from jaxtyping import Float
from shapes import checked, unchecked

from headreuse.errors import nearest
from headreuse.overlap import OVERLAP_METRICS
from headreuse.records import Prompts


@checked
def mean_over_prompts(effects: Float[np.ndarray, "head prompt"], n_prompts: int) -> Float[np.ndarray, "head"]:
    return effects.mean(axis=-1) if n_prompts else effects


@checked
@dataclass
class Pair:
    a: Float[np.ndarray, "head"]
    b: Float[np.ndarray, "head"]


def test_true_shapes_pass_and_other_annotations_are_left_to_mypy():
    assert mean_over_prompts(np.ones((2, 3)), "three").tolist() == [1.0, 1.0]
    assert Pair(np.ones(2), np.zeros(2)).a.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: mean_over_prompts(np.ones(2), 1),
        lambda: mean_over_prompts(np.ones((2, 3)), 0),
        lambda: mean_over_prompts(np.ones((2, 3), int), 1),
        lambda: Pair(np.ones(2), np.ones(3)),
    ],
    ids=["argument", "return value", "dtype", "two fields of one dimension"],
)
def test_a_false_shape_is_seen(wrong):
    with pytest.raises(Exception, match="Float") as caught:
        wrong()
    assert "Beartype" in type(caught.value).__name__


def test_nothing_is_checked_where_the_package_is_to_refuse_by_itself():
    with unchecked():
        assert mean_over_prompts(np.ones(2), 1) == 1.0
        assert Pair(np.ones(2), np.ones(3)).b.shape == (3,)


def test_the_package_s_functions_are_checked():
    assert hasattr(OVERLAP_METRICS["cosine"].compare, "__wrapped__")
    assert hasattr(Prompts.__init__, "__wrapped__")
    assert not hasattr(nearest, "__wrapped__"), "names no shape"
