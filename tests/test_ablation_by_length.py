"""What main loses at each length without the heads that it shares: against plain hooks, and by hand.

Covers the files of this name in `measurements/`, `tables/`, `figures/` and `report/`.
"""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
import torch
from decoders import slow_outcomes
from invented import report_inputs
from random_runs import measured_folder

from headreuse.errors import HeadreuseError
from headreuse.figures import PairOfTasks
from headreuse.figures import ablation_by_length as ablation_by_length_figure
from headreuse.measurements.ablation_by_length import AblationsByLengthOf
from headreuse.measurements.loaded import Loaded
from headreuse.report.ablation_by_length import ablation_by_length as report
from headreuse.report.ablation_by_length import over_ranges
from headreuse.study import parse_study
from headreuse.tables.ablation_by_length import COLUMNS, ablation_by_length
from headreuse.tables.head_scores import head_scores
from headreuse.tables.results import Results

N_LAYERS, N_HEADS, TOP = 2, 3, 2
STUDY = {
    "name": "by_length",
    "alphabet_size": 2,
    "model": {"n_layers": N_LAYERS, "n_heads": N_HEADS, "d_model": 12},
    "training": {"steps": 2, "checkpoints": {"at": [1]}},
    "measures": {"n_examples": 4, "n_score_examples": 8, "beyond": 0, "top_k": TOP, "ablation_by_length": True},
    "groups": [
        {
            "name": "g",
            "main": {"task": "copy", "max_length": 1},
            "auxiliary": [{"task": "reverse", "max_length": 2}],
            "transfer_to": 3,
        }
    ],
}


@pytest.fixture(scope="module")
def last(tmp_path_factory):
    """Of random weights with a seed at which the tasks share one of two heads."""
    folder = measured_folder(tmp_path_factory.mktemp("by_length") / "run", STUDY)
    return list(Results(folder).checkpoints())[-1]


def without(model, prompts, heads):
    """Slow outcomes with heads writing their mean over these prompts, by plain hooks."""
    projections = [layer.self_attn.o_proj for layer in model.model.layers]
    seen, tokens = [], torch.as_tensor(prompts.tokens).long()
    handles = [part.register_forward_pre_hook(lambda _m, args: seen.append(args[0].clone())) for part in projections]
    with torch.no_grad():
        model(tokens, use_cache=False)
    for handle in handles:
        handle.remove()

    def mean(place):
        def edit(_module, args):
            z = args[0].unflatten(-1, (N_HEADS, -1)).clone()
            for layer, head in heads:
                if layer == place:
                    z[:, :, head] = seen[place].unflatten(-1, (N_HEADS, -1)).mean(0)[:, head]
            return (z.flatten(-2),)

        return edit

    handles = [part.register_forward_pre_hook(mean(place)) for place, part in enumerate(projections)]
    with torch.no_grad():
        logits = model(tokens, use_cache=False).logits
    for handle in handles:
        handle.remove()
    return slow_outcomes(logits, prompts)


def like(heads):
    """All other sets with as many heads in each layer."""
    per_layer = [combinations(range(N_HEADS), sum(layer == place for layer, _ in heads)) for place in range(N_LAYERS)]
    first, second = (list(found) for found in per_layer)
    every = [{*((0, one) for one in a), *((1, one) for one in b)} for a in first for b in second]
    return [one for one in every if one != set(heads)]


def test_losses_at_every_length_are_those_of_a_slow_loop(last):
    table = ablation_by_length(last)
    assert sorted(table["length"].unique()) == [1, 2, 3]
    (unit,) = last.units_of(AblationsByLengthOf)
    loaded = Loaded(last.folder.units, last.study, last.run.source, last.checkpoint)
    for (length, outcome), rows in table.groupby(["length", "outcome"]):
        if outcome not in ("exact_match", "log_prob"):
            continue
        prompts = loaded.prompts(unit, int(length))
        untouched = without(loaded.model, prompts, [])[outcome]
        for row in rows.to_dict("records"):
            heads = [tuple(map(int, head.split("."))) for head in row["heads"].split()]
            assert row["n_heads"] == len(heads)
            loss = untouched - without(loaded.model, prompts, heads)[outcome]
            assert row["baseline"] == pytest.approx(untouched.mean(), abs=1e-4)
            assert row["loss"] == pytest.approx(loss.mean(), abs=1e-4)
            assert row["without"] == pytest.approx(untouched.mean() - loss.mean(), abs=1e-4)
            if heads:
                others = [(untouched - without(loaded.model, prompts, one)[outcome]).mean() for one in like(heads)]
                assert row["n_sets"] == len(others)
                assert row["random"] == pytest.approx(np.mean(others), abs=1e-4)
                assert row["random_low"] == pytest.approx(np.quantile(others, 0.025), abs=1e-4)
                assert row["random_share"] == np.mean(np.array(others) >= loss.mean() - 1e-5)


def test_the_sets_are_mains_top_heads_and_which_of_them_the_auxiliary_has_too(last):
    scores = head_scores(last).query("outcome == 'log_prob'")
    top = {
        task: {f"{row.layer}.{row.head}" for row in rows.nlargest(TOP, "effect").itertuples()}
        for task, rows in scores.groupby("task")
    }
    named = ablation_by_length(last).drop_duplicates(["ablated"]).set_index("ablated")["heads"]
    found = {ablated: set(heads.split()) for ablated, heads in named.items()}
    assert found == {
        "main": top["copy"],
        "auxiliary": top["reverse"],
        "shared": top["copy"] & top["reverse"],
        "main_only": top["copy"] - top["reverse"],
    }
    assert all(found.values())


def invented_rows():
    """Main is trained to 8 of 10. With all heads it is right on 0.8, and it loses 0.5, 0.6 and 0.7 without the shared
    heads beyond 8 and nothing below; 0.1 without others; seed 3 shares none."""
    rows = []
    for seed, length, (ablated, auxiliary) in product(
        range(4), (7, 8, 9, 10), [("main", ""), ("shared", "reverse"), ("main_only", "reverse")]
    ):
        is_empty = ablated == "shared" and seed == 3
        loss = (0.5 + 0.1 * seed) * (ablated == "shared" and length > 8 and not is_empty)
        of_random = (np.nan,) * 3 if is_empty else (0.1, 0.05, 0.2)
        place = ("copy_control", seed, 1500, "copy", length, ablated, auxiliary, "" if is_empty else "0.1")
        numbers = (int(not is_empty), "exact_match", 100, 0.8, 0.8 - loss, loss, np.nan, np.nan, 3, *of_random, 0.0)
        rows.append((*place, *numbers))
    return pd.DataFrame(rows, columns=["group", "seed", "step", *COLUMNS])


def test_the_report_says_what_is_lost_beyond_mains_length_and_counts_seeds():
    inputs = report_inputs(n_checkpoints=2, ablation_by_length=invented_rows())
    (exhibit,) = report(inputs)
    said = exhibit.look.replace("\N{NO-BREAK SPACE}", " ")
    start = (
        "copy_control: beyond length 8, main is right on 80 % of the prompts. Without the heads that it shares with "
    )
    assert said.startswith(start + "reverse it ")
    assert (
        "loses 60 % of all prompts, without as many others of the same layers 10 % (median of 3 seeds: too few" in said
    )
    assert "for an interval). Without the heads of its own alone it loses 0 % of all prompts" in said
    summary = over_ranges(invented_rows(), {"copy_control": 8}).set_index(["ablated", "lengths", "measure"])
    assert summary.loc[("shared", "beyond", "excess"), ["median", "low", "high"]].tolist() == pytest.approx(
        [0.5, 0.4, 0.6]
    )
    assert summary.loc[("shared", "own lengths", "loss"), "median"] == 0


def test_curves_are_medians_over_the_seeds_that_share_a_head():
    figure = ablation_by_length_figure(invented_rows(), [PairOfTasks("copy_control", "reverse", 8)])
    lines = {trace.name: trace for trace in figure.data if trace.name and trace.x and trace.x[0] is not None}
    assert list(lines["without the shared heads"].x) == [7, 8, 9, 10]
    assert list(lines["without the shared heads"].y) == pytest.approx([0.8, 0.8, 0.2, 0.2])
    assert list(lines["all heads"].y) == [0.8] * 4
    low, high = (trace for trace in figure.data if trace.line.width == 0)
    assert (list(low.y), list(high.y)) == ([0.6] * 4, [0.75] * 4)
    (mark,) = figure.layout.shapes
    assert mark.x0 == mark.x1 == 8


def test_nothing_of_it_is_measured_unasked_and_a_way_to_rank_heads_is_needed():
    quiet = parse_study(STUDY | {"measures": {}}, "quiet")
    assert list(AblationsByLengthOf().wanted(quiet, quiet.groups[0], is_last=True)) == []
    asked = parse_study(STUDY, "asked")
    assert list(AblationsByLengthOf().wanted(asked, asked.groups[0], is_last=False)) == []
    with pytest.raises(HeadreuseError, match="ablation_by_length takes the top heads by banzhaf or mean_ablation"):
        parse_study(STUDY | {"measures": STUDY["measures"] | {"methods": ["zero_ablation"]}}, "wrong")


def test_groups_in_which_nothing_can_be_lost_are_told_together():
    rows = invented_rows().assign(baseline=0.01, without=0.0)
    (exhibit,) = report(report_inputs(n_checkpoints=2, ablation_by_length=rows))
    said = exhibit.look.replace("\N{NO-BREAK SPACE}", " ")
    assert said.startswith("In copy_control main is right on less than 5 % of the prompts beyond its own lengths")
    assert "shares" not in said
