"""Names of folders and revisions, as they are in use, say the step that training had come to."""

import pytest

from headreuse.sources.series.names import Progress, in_order, parse_name

B = 10**9
IN_USE = {
    "checkpoint-500": (500, None, 0),
    "step-160000": (160000, None, 0),
    "step143000": (143000, None, 0),
    "step0": (0, None, 0),
    "stage1-step-40000": (40000, None, 1),
    "step1000-tokens4B": (1000, 4 * B, 0),
    "step-480k-token-1007B": (480_000, 1007 * B, 0),
    "step-50K-105b": (50_000, 105 * B, 0),
    "TinyLlama-1.1B-intermediate-step-955k-token-2T": (955_000, 2000 * B, 0),
    "stage2-ingredient1-step11931-tokens50B": (11931, 50 * B, 2),
    "step-024000_tokens-0100B-phase1": (24000, 100 * B, 1),
    "CrystalCoder_phase1_checkpoint_055500": (55500, None, 1),
    "ckpt_12000": (12000, None, 0),
    "iter_0001000": (1000, None, 0),
    "iter-000500-ckpt": (500, None, 0),
    "step_00010": (10, None, 0),
    "global_step1000": (1000, None, 0),
    "epoch=3-step=1500": (1500, None, 0),
    "step1.5k": (1500, None, 0),
    "epoch-3": (3, None, 0),
    "2000": (2000, None, 0),
}


@pytest.mark.parametrize("name", IN_USE)
def test_a_name_in_use_says_its_step_tokens_and_stage(name):
    found = parse_name(name)
    assert (found.step, found.tokens, found.stage) == IN_USE[name]
    assert found.counts_epochs == (name == "epoch-3")


@pytest.mark.parametrize("name", ["main", "v1.0", "stepwise-3", "best", "gpt2", "it-SFT", "7b-model", "refs-pr-1", ""])
def test_a_name_without_a_step_says_none(name):
    assert parse_name(name) is None


def test_steps_are_in_order_of_their_number_whatever_else_the_names_hold():
    names = ["main", "checkpoint-1000-loss1.2", "checkpoint-20-loss2.1", "checkpoint-4-loss3.0"]
    assert in_order(names) == {name: Progress(parse_name(name).step, None) for name in reversed(names[1:])}
    assert [found.step for found in in_order(names).values()] == [4, 20, 1000]


def test_a_stage_that_counts_from_the_start_again_counts_on_and_one_that_goes_on_does_not():
    again = [
        "stage2-step500-tokens2B",
        "stage1-step1000-tokens4B",
        "stage1-step500-tokens2B",
        "stage2-step1000-tokens4B",
    ]
    assert in_order(again) == {
        "stage1-step500-tokens2B": Progress(500, 2 * B),
        "stage1-step1000-tokens4B": Progress(1000, 4 * B),
        "stage2-step500-tokens2B": Progress(1500, 6 * B),
        "stage2-step1000-tokens4B": Progress(2000, 8 * B),
    }
    assert list(in_order(again)) == [again[2], again[1], again[0], again[3]]
    going_on = ["stage1-step-40000", "stage1-step-80000", "stage2-step-120000"]
    assert [found.step for found in in_order(going_on).values()] == [40_000, 80_000, 120_000]


@pytest.mark.parametrize(
    ("names", "beside", "problem"),
    [
        (["checkpoint-1", "checkpoint-2", "best-checkpoint-1"], "best-checkpoint-1", "another line of training than"),
        (["step1", "step2", "lc-4k-to-32k-step-3"], "lc-4k-to-32k-step-3", "another line of training than step1"),
        (["stage1-step-4", "lc-4k-to-32k-step-3"], "lc-4k-to-32k-step-3", "its name says no stage"),
        (["stage2-ingredient2-step1", "stage2-ingredient1-step1"], "stage2-ingredient2-step1", "of another line"),
        (["checkpoint-3", "epoch-1"], "epoch-1", "its name counts epochs"),
        (["checkpoint-10", "step_00010", "step_5"], "step_00010", "it has the step of checkpoint-10; keep one"),
    ],
)
def test_what_would_collide_with_the_main_line_has_no_place_and_says_why(names, beside, problem):
    found = in_order(names)
    assert {name for name, progress in found.items() if progress.problem} == {beside}
    assert problem in found[beside].problem
