"""Figures show the numbers of their rows, say what is not usable, and never read a name as markup.

Covers `figures/ablation.py`, `figures/accuracy.py`, `figures/correlation.py`, `figures/matrices.py`,
`figures/measures.py`, `figures/overview.py`, `figures/panels.py`, `figures/parts.py`, `figures/patterns.py`,
`figures/seeds.py`, `figures/style.py`, `figures/trajectories.py` and `figures/views.py`.
"""

import json

import numpy as np
import pandas as pd
import pytest
from invented import overlap as invented_overlap
from invented import report_inputs, small_study

from headreuse import figures
from headreuse.figures.measures import measures, with_measure
from headreuse.figures.overview import GROUPS
from headreuse.figures.panels import Arrangement, legend_rows, panel_layout
from headreuse.figures.parts import parts_by
from headreuse.figures.rows import KIND_COLOURS
from headreuse.figures.style import DARK, INK, MUTED, OKABE_ITO, PAPER, SAFE, rounded
from headreuse.figures.views import choices_of, frame_name, frames_of
from headreuse.records import Head, MeanPattern

HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def inputs():
    return report_inputs(n_checkpoints=6)


@pytest.fixture(scope="module")
def related(inputs):
    return inputs.study.groups[0]


def rows_of(table: pd.DataFrame, **where) -> pd.DataFrame:
    for name, value in where.items():
        table = table[table[name] == value]
    return table


def frame(figure, *key):
    return next(entry for entry in frames_of(figure) if entry.name == frame_name(tuple(map(str, key))))


def all_text(figure) -> str:
    return json.dumps(json.loads(figure.to_json()), ensure_ascii=False)


# Accuracy


@pytest.fixture(scope="module")
def curves(inputs, related):
    trained = {entry.task: entry.max_length for entry in related.tasks}
    rows = inputs.of_group("accuracy", related)
    return rows, figures.accuracy_curves(rows, trained=trained, colours=figures.task_colours(trained))


def test_accuracy_of_one_seed_is_shown_with_its_interval(curves):
    rows, figure = curves
    measured = rows_of(rows, seed=1, step=1500, task="reverse").sort_values("length")
    low, high, line = frame(figure, 1, 1500).data[6:9]  # the third task's
    np.testing.assert_allclose(line.y, measured["accuracy"], atol=5e-4)
    np.testing.assert_allclose(low.y, measured["ci_low"], atol=5e-4)
    np.testing.assert_allclose(high.y, measured["ci_high"], atol=5e-4)


def test_accuracy_starts_with_the_median_over_seeds_at_the_last_step_and_their_range(curves):
    rows, figure = curves
    last = rows_of(rows, step=3000, task="capitalize_reverse").pivot(index="length", columns="seed", values="accuracy")
    low, high, line = figure.data[:3]
    np.testing.assert_allclose(line.y, last.median(axis=1), atol=5e-4)
    np.testing.assert_allclose(low.y, last.min(axis=1), atol=5e-4)
    np.testing.assert_allclose(high.y, last.max(axis=1), atol=5e-4)
    assert high.fill == "tonexty"


def test_a_vertical_line_stands_at_each_longest_training_length(curves):
    assert sorted(shape.x0 for shape in curves[1].layout.shapes) == [8, 16]


def test_a_seed_without_a_checkpoint_has_an_empty_view_there(related, inputs):
    rows = inputs.of_group("accuracy", related)
    rows = rows[~((rows["seed"] == 1) & (rows["step"] == 3000))]
    trained = {entry.task: entry.max_length for entry in related.tasks}
    figure = figures.accuracy_curves(rows, trained=trained, colours=figures.task_colours(trained))
    assert [len(trace.y) for trace in frame(figure, 1, 3000).data] == [0] * 9


# Ablation maps


@pytest.fixture(scope="module")
def maps(inputs, related):
    rows = inputs.of_group("head_scores", related)
    tasks = [entry.task for entry in related.tasks]
    return rows, figures.ablation_maps(rows, tasks=tasks, baseline_floor=0.1)


def test_each_cell_of_an_ablation_map_is_the_effect_of_its_head(maps):
    rows, figure = maps
    measured = rows_of(rows, outcome="log_prob", seed=1, step=1500, task="capitalize")
    shown = frame(figure, "log_prob", 1, 1500).data[1].z
    for row in measured.itertuples():
        assert shown[row.layer][row.head] == pytest.approx(row.effect, rel=5e-3)


def test_colours_of_an_outcome_have_one_range_about_zero_that_holds_every_effect(maps):
    rows, figure = maps
    for outcome in rows["outcome"].unique():
        ranges = {
            (entry.layout.coloraxis.cmin, entry.layout.coloraxis.cmax)
            for entry in frames_of(figure)
            if json.loads(entry.name)[0] == outcome
        }
        largest = rows_of(rows, outcome=outcome)["effect"].abs().max()
        assert len(ranges) == 1
        assert ranges.pop() == pytest.approx((-largest, largest), rel=1e-3)
    assert figure.layout.coloraxis.colorscale[0][1] == "rgb(5,48,97)", "blue, of RdBu_r, is the low end"


def test_maps_below_the_baseline_floor_say_so(maps):
    for outcome in ("exact_match", "log_prob"):
        first, last = frame(maps[1], outcome, 1, 500), frame(maps[1], outcome, 1, 3000)
        assert "below the floor" in first.layout.annotations[0].text
        assert "below the floor" not in last.layout.annotations[0].text


def test_a_map_that_was_not_measured_is_named_and_empty(inputs, related):
    rows = inputs.of_group("head_scores", related)
    figure = figures.ablation_maps(rows[rows["task"] != "reverse"], tasks=["capitalize_reverse", "reverse"])
    assert "not measured" in figure.layout.annotations[1].text
    assert figure.data[1].z in (None, ())


def test_several_methods_become_a_choice_with_colours_of_their_own(inputs, related):
    rows = inputs.of_group("head_scores", related)
    rows = pd.concat([rows, rows.assign(method="zero_ablation", effect=3 * rows["effect"])])
    figure = figures.ablation_maps(rows, tasks=["reverse"])
    assert choices_of(figure)[0].values == ("mean_ablation", "zero_ablation")
    limits = [
        frame(figure, name, "exact_match", 0, 3000).layout.coloraxis.cmax for name in choices_of(figure)[0].values
    ]
    assert limits[1] == pytest.approx(3 * limits[0], rel=1e-3)


# Overlap matrices


def test_a_matrix_holds_each_pair_both_ways_and_leaves_the_diagonal_out(inputs, related):
    rows = inputs.of_group("overlap", related)
    tasks = [entry.task for entry in related.tasks]
    figure = figures.overlap_matrices(rows, tasks=tasks)
    shown = frame(figure, "cosine · exact_match", 3000).data[1].z
    pair = rows_of(rows, metric="cosine", outcome="exact_match", seed=1, step=3000, task_a=tasks[0], task_b=tasks[2])
    assert shown[0][2] == shown[2][0] == pytest.approx(pair["value"].item(), rel=1e-3)
    assert [shown[place][place] for place in range(3)] == [None] * 3
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (0, 1)


def test_a_directed_metric_keeps_its_two_directions():
    columns = {
        "seed": 0,
        "step": 1,
        "metric": "threshold_containment",
        "chance": 0.2,
        "usable": True,
        "outcome": "exact_match",
    }
    rows = pd.DataFrame({"task_a": ["a", "b"], "task_b": ["b", "a"], "value": [0.25, 0.75]}).assign(**columns)
    assert figures.overlap_matrices(rows, tasks=["a", "b"]).data[0].z == ([None, 0.25], [0.75, None])


def test_chance_is_marked_on_the_colour_bar(inputs, related):
    figure = figures.overlap_matrices(
        inputs.of_group("overlap", related), tasks=[entry.task for entry in related.tasks]
    )
    bar = frame(figure, "top_k_jaccard · exact_match", 3000).layout.coloraxis.colorbar
    assert bar.ticktext[bar.tickvals.index(0.3)] == "chance 0.30"


def test_matrices_start_with_a_measure_that_is_defined_at_the_end(inputs, related):
    rows = inputs.of_group("overlap", related)
    dead = (rows["outcome"] == "exact_match") & (rows["step"] == 3000) & (rows["seed"] == 1)
    figure = figures.overlap_matrices(rows.assign(value=rows["value"].where(~dead)), tasks=["capitalize", "reverse"])
    assert choices_of(figure)[0].start == "cosine · token_accuracy"
    assert choices_of(figures.overlap_matrices(rows, tasks=["reverse"]))[0].start == "cosine · exact_match"


def test_matrices_leave_distances_and_metrics_that_are_not_known_out(inputs, related):
    rows = inputs.of_group("overlap", related)
    rows = rows.assign(metric=rows["metric"].replace("spearman", "of_a_later_version"))
    figure = figures.overlap_matrices(rows, tasks=[entry.task for entry in related.tasks])
    assert {name.split(" ")[0] for name in choices_of(figure)[0].values} == {"cosine", "top_k_jaccard"}


def test_measures_as_published_come_first_and_tell_outcomes_apart_where_there_are_several(inputs):
    names = measures(with_measure(inputs.overlap))
    assert names[0] == "ablation_map_difference · exact_match"
    assert "attention_difference" in names, "there is one outcome of it, so none is named"
    assert len(names) == len(set(names)) == 4 * 4 + 1


# Attention patterns


def scores_of(**effects) -> pd.DataFrame:
    rows = [
        (task, "exact_match", place // 2, place % 2, value)
        for task, values in effects.items()
        for place, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["task", "outcome", "layer", "head", "effect"])


def test_heads_that_matter_by_hand():
    scores = scores_of(main=[0.1, 0.9, 0.5, -0.8], other=[0.7, 0.6, 0.0, 0.0])
    found = figures.heads_that_matter(scores, tasks=["main", "other"])
    assert [entry.head for entry in found] == [Head(0, 1), Head(0, 0), Head(1, 0)]
    assert found[0].effects == {"main": 0.9, "other": 0.6}


def test_a_head_that_harms_is_not_one_that_matters():
    assert figures.heads_that_matter(scores_of(main=[-0.5, 0.0, 0.0, 0.0]), tasks=["main"]) == []


@pytest.fixture
def one_pattern():
    layout = ("BOS", "MARKER", "INPUT", "INPUT", "SEPARATOR", "ANSWER")
    values = np.arange(2 * 2 * 36).reshape(2, 2, 6, 6) / 144
    return figures.RunPattern("g", 0, 10, MeanPattern("main", 2, 4, layout, values))


def test_a_pattern_is_shown_up_to_the_querying_position(one_pattern):
    heads = {0: [figures.HeadOfInterest(Head(1, 0), "exact_match", {"main": 0.5})]}
    shown = figures.attention_patterns([one_pattern], heads, tasks=["main"]).data[0].z
    pattern = one_pattern.mean.pattern[1, 0]
    for query in range(6):
        np.testing.assert_allclose(shown[query][: query + 1], pattern[query, : query + 1], atol=5e-3)
        assert shown[query][query + 1 :] == [None] * (5 - query)


def test_axes_of_a_pattern_name_each_stretch_of_positions_at_its_middle(one_pattern):
    heads = {0: [figures.HeadOfInterest(Head(1, 0), "exact_match", {"main": 0.5})]}
    figure = figures.attention_patterns([one_pattern], heads, tasks=["main"])
    assert figure.layout.yaxis.ticktext == ("BOS<br>marker", "input", "=", "answer")
    assert figure.layout.yaxis.tickvals == (0.5, 2.5, 4, 5)
    assert figure.layout.yaxis.autorange == "reversed"


def test_a_seed_with_fewer_heads_leaves_panels_empty(one_pattern):
    two = [figures.HeadOfInterest(Head(0, index), "exact_match", {"main": 0.5}) for index in range(2)]
    other = figures.RunPattern("g", 1, 10, one_pattern.mean)
    figure = figures.attention_patterns([one_pattern, other], {0: two, 1: two[:1]}, tasks=["main"])
    assert len(figure.data) == 2
    assert [len(trace.z or ()) for trace in frame(figure, 1).data] == [6, 0]


# Trajectories


def test_gap_is_drawn_for_each_seed(inputs, related):
    transfer, overlap = (inputs.of_group(name, related) for name in ("transfer", "overlap"))
    figure = figures.overlap_over_steps(figures.gap_of(transfer), overlap, main=related.main.task)
    for seed in (0, 1):
        np.testing.assert_allclose(figure.data[seed].y, rows_of(transfer, seed=seed)["gap"], rtol=1e-3)


def test_overlap_markers_are_hollow_where_and_only_where_a_checkpoint_is_not_usable(inputs, related):
    transfer, overlap = (inputs.of_group(name, related) for name in ("transfer", "overlap"))
    figure = figures.overlap_over_steps(figures.gap_of(transfer), overlap, main=related.main.task)
    trace = next(trace for trace in figure.data if trace.name == "seed 1 with reverse")
    metric = {"metric": "ablation_map_difference", "outcome": "exact_match"}
    rows = rows_of(overlap, seed=1, task_a=related.main.task, task_b="reverse", **metric)
    assert rows["usable"].nunique() == 2, "the test needs both kinds"
    assert [symbol.endswith("-open") for symbol in trace.marker.symbol] == [not flag for flag in rows["usable"]]
    np.testing.assert_allclose(trace.y, rows["value"], rtol=1e-3)
    np.testing.assert_allclose(trace.error_y.array, rows["ci_high"] - rows["value"], rtol=5e-3)


def test_a_measure_chosen_in_trajectories_changes_the_overlap_alone(inputs, related):
    transfer, overlap = (inputs.of_group(name, related) for name in ("transfer", "overlap"))
    figure = figures.overlap_over_steps(figures.gap_of(transfer), overlap, main=related.main.task)
    chosen = frame(figure, "attention_difference")
    fixed = [trace for trace in chosen.data if trace.y is None]
    assert len(chosen.data) == len(figure.data)
    assert len(fixed) == 2 + 2 + 1, "two gaps, two dashes, one hollow marker in the legend"
    assert chosen.layout.yaxis2.title.text == "attention_difference"


def test_regimes_are_a_panel_each(inputs, related):
    rows = inputs.of_group("transfer", related)
    figure = figures.regimes(rows)
    assert len(figure.data) == 3 * 2
    np.testing.assert_allclose(figure.data[2].y, rows_of(rows, seed=0)["accuracy_transfer"], rtol=1e-3)
    assert {trace.line.color for trace in figure.data if trace.name == "seed 0"} == {figures.seed_colours([0, 1])[0]}


def test_a_regime_without_lengths_has_no_panel(inputs, related):
    rows = inputs.of_group("transfer", related).assign(accuracy_beyond=np.nan)
    assert len(figures.regimes(rows).data) == 2 * 2


# Overlap against transfer


def test_points_are_means_over_auxiliaries_and_usable_only_where_all_are():
    rows = pd.DataFrame(
        {"task_b": ["x", "y"] * 3, "step": [1, 1, 2, 2, 3, 3], "value": [0.2, 0.4, 0.5, np.nan, 0.6, 0.8],
         "usable": [True, False, True, True, True, True]}
    ).assign(group="g", seed=0, task_a="m", metric="cosine", outcome="exact_match")  # fmt: skip
    transfer = pd.DataFrame(
        {"group": "g", "seed": 0, "step": [1, 2, 3], "gap": [0.3, 0.2, 0.1], "transfer_fraction": 1}
    )
    points = figures.overlap_points(rows, transfer, mains={"g": "m"})
    assert points["overlap"].tolist() == pytest.approx([0.3, np.nan, 0.7], nan_ok=True)
    assert points["usable"].tolist() == [False, True, True]
    assert points["gap"].tolist() == [0.3, 0.2, 0.1]


def test_pairs_of_two_auxiliaries_are_no_points():
    group = small_study().groups[0]
    rows = invented_overlap(group, 0, np.random.default_rng(0), 3)
    transfer = pd.DataFrame(
        {"group": group.name, "seed": 0, "step": [1000, 2000, 3000], "gap": 0, "transfer_fraction": 0}
    )
    far = rows["task_a"] != group.main.task
    moved = rows.assign(value=rows["value"].where(~far, 1e6))
    assert figures.overlap_points(moved, transfer, mains={group.name: group.main.task})["overlap"].max() < 1e3


@pytest.fixture(scope="module")
def scatter(inputs):
    mains = {group.name: group.main.task for group in inputs.study.groups}
    points = figures.overlap_points(inputs.overlap, inputs.transfer, mains=mains)
    kinds = {group.name: group.kind for group in inputs.study.groups}
    return points, figures.overlap_against_transfer(points, kinds=kinds)


def test_the_scatter_shows_each_run_in_its_groups_panel(scatter):
    points, figure = scatter
    chosen = frame(figure, "cosine · log_prob", "transfer_fraction")
    rows = rows_of(points, measure="cosine · log_prob", group="copy_control", seed=1)
    index = 3 + 3  # three entries of the legend, two runs of the related group, seed 0 of the control
    assert figure.data[index].xaxis == "x2"
    np.testing.assert_allclose(np.array(chosen.data[index].x, float), rows["overlap"], rtol=1e-3)
    np.testing.assert_allclose(chosen.data[index].y, rows["transfer_fraction"], rtol=1e-3)
    hollow = [symbol.endswith("-open") for symbol in chosen.data[index].marker.symbol]
    assert hollow == [not flag for flag in rows["usable"]]
    assert any(hollow)
    assert not all(hollow)


def test_panels_of_the_scatter_share_their_axes(scatter):
    points, figure = scatter
    for entry in frames_of(figure):
        layout = entry.layout
        assert layout.xaxis.range == layout.xaxis2.range
        assert layout.yaxis.range == layout.yaxis2.range
    shown = rows_of(points, measure="ablation_map_difference · exact_match")["overlap"]
    low, high = figure.layout.xaxis.range
    assert low < shown.min() < shown.max() < high


# What all figures share


def every_figure(inputs):
    group = inputs.study.groups[0]
    tasks = [entry.task for entry in group.tasks]
    accuracy, scores, transfer, overlap = (
        inputs.of_group(name, group) for name in ("accuracy", "head_scores", "transfer", "overlap")
    )
    trained = {entry.task: entry.max_length for entry in group.tasks}
    points = figures.overlap_points(inputs.overlap, inputs.transfer, mains={group.name: group.main.task})
    found = [entry for entry in inputs.patterns if entry.group == group.name]
    last = scores[(scores["step"] == scores["step"].max()) & (scores["seed"] == 0)]
    yield figures.accuracy_curves(accuracy, trained=trained, colours=figures.task_colours(tasks))
    yield figures.ablation_maps(scores, tasks=tasks)
    yield figures.overlap_matrices(overlap, tasks=tasks)
    yield figures.attention_patterns(found, {0: figures.heads_that_matter(last, tasks=tasks)}, tasks=tasks)
    yield figures.overlap_over_steps(figures.gap_of(transfer), overlap, main=group.main.task)
    yield figures.overlap_against_transfer(points, kinds={group.name: group.kind})
    yield figures.regimes(transfer)


def hostile_inputs():
    study = small_study(seeds=(0,))
    group = study.groups[0]
    entry = group.auxiliary[0].model_copy(update={"task": HOSTILE})
    hostile = group.model_copy(update={"name": HOSTILE, "auxiliary": (entry, *group.auxiliary[1:])})
    return report_inputs(study.model_copy(update={"groups": (hostile,)}), n_checkpoints=2)


def test_names_are_shown_as_they_are_and_never_read_as_markup():
    texts = [all_text(figure) for figure in every_figure(hostile_inputs())]
    assert not [text for text in texts if "<img" in text or "</script" in text]
    assert sum("&lt;img" in text for text in texts) >= 5


def test_every_view_changes_as_many_traces_as_there_are(inputs):
    for figure in every_figure(inputs):
        assert {len(entry.data) for entry in frames_of(figure)} <= {len(figure.data)}
        names = [entry.name for entry in frames_of(figure)]
        assert len(set(names)) == len(names) == np.prod([len(entry.values) for entry in choices_of(figure)] or [0])


def test_the_same_rows_give_the_same_figure(inputs):
    assert [figure.to_json() for figure in every_figure(inputs)] == [f.to_json() for f in every_figure(inputs)]


def test_no_scale_of_red_and_green_is_used(inputs):
    red_green = "rgb(165,0,38)"  # an end of RdYlGn
    assert not [figure for figure in every_figure(inputs) if red_green in all_text(figure)]


def test_many_numbers_are_rounded_as_each_by_itself():
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=500) * 10.0 ** generator.integers(-12, 12, 500)
    numbers = np.append(numbers, [0.0, np.nan, np.inf, 1.0, 0.5])
    assert rounded(numbers) == [float(f"{value:.4g}") if np.isfinite(value) else None for value in numbers]


def test_a_table_is_cut_into_parts_in_its_order():
    rows = pd.DataFrame(
        {"task": ["b", "a", "b"], "seed": [1, 0, 1], "value": [0.123456, np.nan, 2.0], "step": [5, 6, 4]}
    )
    expected = {
        ("b", "1"): {"task": ["b", "b"], "seed": [1, 1], "value": [0.123, 2.0], "step": [5, 4]},
        ("a", "0"): {"task": ["a"], "seed": [0], "value": [None], "step": [6]},
    }
    assert parts_by(rows, ["task", "seed"], digits={"value": 3}) == expected


def test_the_forest_opens_on_the_primary_question(inputs):
    rows = inputs.correlation
    asked = rows["outcome"].eq("log_prob") & rows["overlap_metric"].eq("cosine")
    asked &= rows["transfer_metric"].eq("transfer_fraction")
    rows = rows.assign(primary=asked, value=rows["value"].where(rows["statistic"] != "aligned"))
    starts = {entry.name: entry.start for entry in choices_of(figures.forest(rows))}
    assert starts["outcome"] == "log_prob"
    assert starts["transfer_metric"] == "transfer_fraction"
    assert starts["statistic"] not in ("aligned", ""), "which no group has"


def test_a_group_whose_overlap_is_nowhere_defined_has_no_panel(inputs):
    kinds = {group.name: group.kind for group in inputs.study.groups}
    mains = {group.name: group.main.task for group in inputs.study.groups}
    points = figures.overlap_points(inputs.overlap, inputs.transfer, mains=mains)
    first = next(iter(kinds))
    points = points.assign(overlap=points["overlap"].mask(points["group"] == first))
    titles = [note.text for note in figures.overlap_against_transfer(points, kinds=kinds).layout.annotations]
    assert len(titles) == len(kinds) - 1
    assert not [title for title in titles if title.startswith(f"{first} ")]


@pytest.mark.parametrize(
    ("steps", "ticks"), [((300, 2000), [500, 1000, 2000]), ((600, 900), [700, 1000])], ids=["wide", "short"]
)
def test_clocks_have_few_round_ticks(steps, ticks):
    rows = pd.DataFrame({"group": "a", "role": "main", "seed": 0, "level": [0.2, 0.8], "step": steps})
    assert [value for value in figures.learning_clocks(rows).layout.xaxis.tickvals if steps[0] <= value] == ticks


def test_a_colour_stands_for_one_thing():
    """Black and grey apart, which come last of the tasks' and the groups' colours."""
    colours = [*OKABE_ITO[:6], *SAFE, *GROUPS[:-1], *KIND_COLOURS.values()]
    assert len({colour.lower() for colour in colours}) == len(colours)


def test_every_colour_of_a_line_can_be_seen_on_a_dark_page():
    """At least 3 to 1, as WCAG 2.2 asks of graphics (1.4.11)."""

    def light(colour: str) -> float:
        parts = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    on_dark = dict(DARK)
    for colour in (INK, MUTED, *OKABE_ITO, *SAFE, *GROUPS, *KIND_COLOURS.values()):
        assert (light(on_dark.get(colour, colour)) + 0.05) / (light(on_dark[PAPER]) + 0.05) >= 3, colour


def test_a_slider_for_notebooks_steps_through_every_view(maps):
    rows, _ = maps
    few = rows_of(rows, seed=0, outcome="exact_match")
    figure = figures.with_slider(figures.ablation_maps(few, tasks=["reverse"]))
    slider = figure.layout.sliders[0]
    assert [step.args[0][0] for step in slider.steps] == [entry.name for entry in frames_of(figure)]
    assert slider.active == len(frames_of(figure)) - 1


def test_tasks_keep_their_colours_in_order_of_first_mention():
    colours = figures.task_colours(["a", "b", "a", "c"])
    assert list(colours) == ["a", "b", "c"]
    assert len(set(colours.values())) == 3


def test_stacked_panels_do_not_overlap_and_fill_the_figure():
    for n_panels in range(1, 8):
        for columns in (1, 2, 3):
            place = Arrangement(columns=columns, height=100)
            layout = panel_layout(n_panels, place, Arrangement(columns=1, height=80))
            for paths in (layout.meta["wide"], layout.meta["narrow"]):
                boxes = [
                    (*paths[f"xaxis{index or ''}.domain"], *paths[f"yaxis{index or ''}.domain"])
                    for index in [0, *range(2, n_panels + 1)]
                ]
                assert max(box[3] for box in boxes) == 1
                assert min(box[2] for box in boxes) == pytest.approx(0, abs=1e-4)
                for first, a in enumerate(boxes):
                    for b in boxes[:first]:
                        assert a[0] >= b[1] or b[0] >= a[1] or a[2] >= b[3] or b[2] >= a[3]


def test_rows_of_a_legend_by_hand():
    assert legend_rows([], 330) == 0
    assert legend_rows(["seed 0", "seed 1"], 330) == 1  # 2 × 90 pixels
    assert legend_rows(["x" * 20, "y", "z", "w"], 330) == 4  # 188 + 3 × 55 pixels: as wide as the widest, one a row


def test_numbers_are_short_and_holes_are_none():
    assert rounded([0.123456, np.nan, 1234567, np.inf, 0]) == [0.1235, None, 1235000.0, None, 0.0]
