"""A figure goes into a paper: its text is 7 to 9 points high, its panels fit the width, and what does not is told.

Covers `figures/paper.py`, `figures/fitted.py`, `figures/room.py`, `figures/lettering.py` and `figures/picked.py`.
"""

import re

import plotly.graph_objects as go
import pytest
from invented import report_inputs

from headreuse import figures
from headreuse.errors import HeadreuseError
from headreuse.figures.fitted import DOTS, round_numbers
from headreuse.figures.lettering import broken, lines_of, text_width
from headreuse.figures.paper import for_paper
from headreuse.figures.picked import with_panels
from headreuse.figures.room import legend_rows, panels_of
from headreuse.figures.views import choices_of, frame_name, frames_of, with_view
from headreuse.report import heads, training

POINT = DOTS / 72
WIDTHS = (3.25, 6.75)


@pytest.fixture(scope="module")
def inputs():
    return report_inputs(n_checkpoints=3)


@pytest.fixture(scope="module")
def shown(inputs) -> dict[str, go.Figure]:
    """One figure of each kind that has panels of its own."""
    first = {
        "accuracy": training.accuracy(inputs),
        "ablation": heads.ablation(inputs),
        "sharing": heads.sharing(inputs),
        "stability": training.stability(inputs),
    }
    return {name: next(found).figure for name, found in first.items()}


KINDS = ("accuracy", "ablation", "sharing", "stability")


@pytest.fixture(scope="module")
def printed(shown) -> dict[tuple[str, float], go.Figure]:
    """Each of them at each width."""
    return {(kind, width): for_paper(shown[kind], width) for kind in KINDS for width in WIDTHS}


def boxes(figure: go.Figure) -> list[tuple[float, float, float, float]]:
    """Left, right, lower and upper end of each panel, in dots from the lower left corner."""
    margin, layout = figure.layout.margin, figure.layout
    wide, high = layout.width - margin.l - margin.r, layout.height - margin.t - margin.b
    found = []
    for panel in panels_of(figure):
        (left, right), (low, top) = panel.x.domain, panel.y.domain
        found.append((margin.l + left * wide, margin.l + right * wide, margin.b + low * high, margin.b + top * high))
    return found


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_text_is_7_to_9_points_high_and_lines_are_thin(printed, kind, width):
    made = printed[kind, width]
    template = made.layout.template.layout
    sizes = [note.font.size for note in made.layout.annotations]
    sizes += [trace.textfont.size for trace in made.data if trace.type == "scatter" or trace.texttemplate]
    sizes += [template.font.size, template.legend.font.size, template.yaxis.title.font.size]
    sizes += [template.xaxis.tickfont.size, template.coloraxis.colorbar.tickfont.size]
    assert all(7 <= size / POINT <= 9 for size in sizes)
    widths = [trace.line.width for trace in made.data if trace.type == "scatter" and trace.line.width]
    assert all(width <= 1.25 * POINT for width in widths)
    assert (made.layout.width, template.paper_bgcolor, made.layout.title.text) == (width * DOTS, "white", None)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_panels_lie_side_by_side_within_the_figure_with_room_for_what_is_above_them(printed, kind, width):
    made = printed[kind, width]
    found, panels = boxes(made), panels_of(made)
    for panel, (left, right, low, top) in zip(panels, found, strict=True):
        assert 0 < left < right <= made.layout.width - 15
        assert 0 < low < top < made.layout.height
        title = broken(panel.title, right - left, 12)
        assert title == panel.title
        room = made.layout.height - top
        over = [other for other in found if other[2] >= top and other[0] < right and other[1] > left]
        room = min([room, *(other[2] - top for other in over)])
        assert room >= (16 * len(lines_of(title)) if title else 0)
    for number, one in enumerate(found):
        for other in found[:number]:
            assert one[0] >= other[1] or other[0] >= one[1] or one[2] >= other[3] + 30 or other[2] >= one[3] + 30


def test_the_room_of_the_legend_is_above_the_plot(shown):
    few, many = (for_paper(shown["accuracy"], width) for width in (6.75, 2.5))
    rows = [legend_rows(made, made.layout.width - 60) for made in (few, many)]
    assert rows[0] == 1 < rows[1]
    assert many.layout.margin.t - few.layout.margin.t == 19 * (rows[1] - rows[0])
    alone = go.Figure(go.Scatter(x=[1], y=[1], name="one"))
    assert legend_rows(alone, 300) == 0


def test_a_wider_figure_has_more_panels_side_by_side(printed):
    columns = [len({box[0] for box in boxes(printed["stability", width])}) for width in WIDTHS]
    assert columns == [2, 3]


def test_numbers_in_cells_are_left_out_where_they_would_not_fit_but_not_those_of_the_overlap(printed):
    narrow, wide = (printed["ablation", width].data[0].texttemplate for width in WIDTHS)
    assert narrow is None
    assert wide.startswith("%{z")
    assert printed["sharing", 3.25].data[0].texttemplate == "%{text}"


def test_a_title_is_written_only_where_it_is_asked_for(shown, printed):
    plain, titled = printed["accuracy", 3.25], for_paper(shown["accuracy"], 3.25, title="How far? " * 12)
    assert plain.layout.title.text is None
    n_lines = len(lines_of(titled.layout.title.text))
    assert n_lines > 1
    assert titled.layout.height - plain.layout.height == pytest.approx(16 * n_lines + 6)


def test_a_height_is_kept_and_one_that_is_too_low_is_told_with_one_that_is_not(shown):
    assert for_paper(shown["stability"], 6.75, height=3).layout.height == pytest.approx(3 * DOTS)
    with pytest.raises(HeadreuseError, match=r"a height of 1in is too low; give at least ([\d.]+)in") as told:
        for_paper(shown["stability"], 3.25, height=1)
    enough = float(re.search(r"least ([\d.]+)in", str(told.value))[1])
    assert for_paper(shown["stability"], 3.25, height=enough).layout.height == pytest.approx(enough * DOTS)


def many_panels(inputs, n: int) -> go.Figure:
    rows = inputs.of_group("overlap", inputs.study.groups[0])
    rows = rows[(rows["metric"] == "cosine") & (rows["step"] == rows["step"].max()) & (rows["seed"] == 0)]
    rows = rows.loc[rows.index.repeat(n)].assign(seed=[*range(n)] * len(rows))
    return figures.overlap_matrices(rows, tasks=[entry.task for entry in inputs.study.groups[0].tasks])


def test_too_many_panels_for_a_width_are_told_with_a_width_that_does(inputs):
    figure = many_panels(inputs, 9)
    with pytest.raises(HeadreuseError, match=r"9 panels at a width of 3.25in would be .*in high") as told:
        for_paper(figure, 3.25)
    enough = float(re.search(r"give a width of ([\d.]+)in or fewer panels", str(told.value))[1])
    assert for_paper(figure, enough).layout.height <= 9.5 * DOTS
    with pytest.raises(HeadreuseError):
        for_paper(figure, enough - 0.25)
    fewer = for_paper(with_panels(figure, ["seed 3", "seed 7"]), 3.25)
    assert [panel.title for panel in panels_of(fewer)] == ["seed 3", "seed 7"]


def test_a_panel_that_is_picked_keeps_its_points_and_gets_the_title_of_the_axis_and_the_legend(shown):
    figure = shown["stability"]
    whole, (second,) = panels_of(figure), panels_of(with_panels(figure, ["longer, in the transfer range"]))
    assert [list(trace.y) for trace in second.traces] == [list(trace.y) for trace in whole[1].traces]
    assert second.y.title.text == "accuracy of main"
    assert [trace.showlegend for trace in second.traces] == [True] * len(second.traces)
    assert [trace.showlegend for trace in whole[1].traces] == [False] * len(second.traces)


def test_an_unknown_panel_is_told_with_those_there_are(shown):
    told = "no panel 'sed 1' (did you mean 'seed 1'?); choose from: seed 0, seed 1"
    with pytest.raises(HeadreuseError, match=re.escape(told)):
        with_panels(shown["sharing"], ["sed 1"])
    with pytest.raises(HeadreuseError, match="this figure has one, without a title"):
        with_panels(shown["accuracy"], ["a"])


def test_a_view_is_that_of_its_frame_and_has_no_other(shown):
    figure = shown["ablation"]
    step = choices_of(figure)[-1].values[0]
    view = with_view(figure, {"step": step, "outcome": "log_prob"})
    names = {choice.name: choice.start for choice in choices_of(view)}
    assert (names["step"], names["outcome"]) == (step, "log_prob")
    frame = next(frame for frame in frames_of(figure) if frame.name == frame_name(tuple(names.values())))
    assert [tuple(map(tuple, trace.z)) for trace in view.data] == [tuple(map(tuple, trace.z)) for trace in frame.data]
    assert view.data[0].z != figure.data[0].z
    assert len(view.to_json()) < len(figure.to_json()) / 3
    assert with_view(view, {}) == view
    with pytest.raises(HeadreuseError, match=r"outcome: 'exact_match' is none of its values: log_prob"):
        with_view(view, {"outcome": "exact_match"})


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"stp": "1"}, r"no choice 'stp' \(did you mean 'step'\?\); choose from: outcome \(exact_match, "),
        ({"step": "1"}, r"step: '1' is none.* of its values: \d+, \d+, \d+"),
        ({"outcome": "log"}, "outcome: 'log' is none"),
    ],
)
def test_a_choice_that_a_figure_does_not_have_is_told_with_those_it_has(shown, chosen, told):
    with pytest.raises(HeadreuseError, match=told):
        with_view(shown["ablation"], chosen)
    with pytest.raises(HeadreuseError, match="choose from: it has none"):
        with_view(shown["stability"], chosen)


def test_the_first_words_of_a_value_are_enough_where_they_are_those_of_one(shown):
    assert choices_of(with_view(shown["accuracy"], {"seed": "median"}))[0].start == "median of seeds"
    figure = go.Figure(layout={"meta": {"choices": [{"name": "a", "values": ["x · 1", "x · 2"], "start": "x · 1"}]}})
    with pytest.raises(HeadreuseError, match="a: 'x' may be several of its values: x · 1, x · 2"):
        with_view(figure, {"a": "x"})


def test_a_figure_of_another_origin_keeps_its_panels_and_gets_the_style(inputs):
    other = go.Figure(go.Scatter(x=[1, 2], y=[1, 2], line={"width": 5}), {"template": "plotly_dark"})
    made = for_paper(other, 3.25)
    assert (made.layout.width, made.layout.height) == (351, pytest.approx(0.68 * 351))
    assert made.layout.template.layout.plot_bgcolor == "white"
    assert made.data[0].line.width == 3
    assert other.data[0].line.width == 5


def test_text_is_broken_at_spaces_where_it_becomes_too_wide():
    assert broken("one two three", 1000, 10) == "one two three"
    assert broken("one two three", text_width("one two", 10), 10) == "one two<br>three"
    assert broken("one <span style='color: red'>two</span>", 1, 10) == "one<br><span style='color: red'>two</span>"
    assert lines_of("a &lt; b<br><i>c</i>") == ["a < b", "c"]
    assert text_width("a &lt; b", 10) == text_width("a < b", 10) < text_width("www", 10)


def test_a_log_axis_has_few_round_numbers():
    assert round_numbers(2.3, 3.2) == [200, 500, 1000]
