"""Some of the panels of a figure, for a paper that has no room for all of them."""

import re
from collections.abc import Sequence

import plotly.graph_objects as go

from headreuse.errors import HeadreuseError, nearest
from headreuse.figures.lettering import lines_of
from headreuse.figures.panels import panel_axes
from headreuse.figures.room import Panel, panels_of

_NOTE = re.compile(r"<span.*?</span>")


def with_panels(figure: go.Figure, names: Sequence[str]) -> go.Figure:
    """A copy of a figure, as it is shown, with the panels of these titles alone; with all where no name is given.

    What stands small or grey in a title may be left out. Raises `HeadreuseError` for a title that no panel has.
    """
    if not names:
        return figure
    panels = panels_of(figure)
    titles = {panel.index: _names(panel) for panel in panels}
    for name in names:
        known = list(dict.fromkeys(title for all_names in titles.values() for title in all_names[:1] if title))
        if not any(name in all_names for all_names in titles.values()):
            choices = f"choose from: {', '.join(known)}" if known else "this figure has one, without a title"
            raise HeadreuseError(f"no panel {name!r}{nearest(name, known)}; {choices}")
    return _kept(figure, [panel for panel in panels if set(titles[panel.index]) & set(names)])


def _names(panel: Panel) -> tuple[str, str]:
    """The title without its note, and with it."""
    short, whole = (" ".join("".join(lines_of(text)).split()) for text in (_NOTE.sub("", panel.title), panel.title))
    return short, whole


def _kept(figure: go.Figure, panels: Sequence[Panel]) -> go.Figure:
    """A copy with these panels, whose axes are numbered anew."""
    places = {panel_axes(panel.index)["xaxis"]: new for new, panel in enumerate(panels)}
    layout = figure.layout.to_plotly_json()
    axes = {name: layout.pop(name) for name in list(layout) if re.fullmatch(r"[xy]axis\d*", name)}
    copy = go.Figure(layout=layout)
    for new, panel in enumerate(panels):
        for axis in "xy":
            settings = axes[_layout_name(panel_axes(panel.index)[f"{axis}axis"])] | {"matches": None}
            other = "y" if axis == "x" else "x"
            copy.update_layout({_layout_name(panel_axes(new)[f"{axis}axis"]): settings | {
                "anchor": panel_axes(new)[f"{other}axis"]}})  # fmt: skip
    # The first panel of a figure alone may say what all vertical axes show.
    copy.layout.yaxis.title.text = copy.layout.yaxis.title.text or axes["yaxis"].get("title", {}).get("text")
    copy.add_traces([moved for trace in figure.data if (moved := _moved(trace, places)) is not None])
    _complete_legend(figure, copy)
    for kind in ("annotations", "shapes"):
        copy.layout[kind] = [note for note in copy.layout[kind] if _moves(note, places)]
    return copy


def _layout_name(axis: str) -> str:
    return f"{axis[0]}axis{axis[1:]}"


def _moved(trace: go.Scatter, places: dict[str, int]) -> go.Scatter | None:
    """A trace on its new axes; one without points, which is an entry of the legend, on the first."""
    is_entry = trace.type == "scatter" and trace.x is not None and list(trace.x) == [None]
    place = 0 if is_entry else places.get(trace.xaxis or "x")
    return None if place is None else type(trace)(trace.to_plotly_json() | panel_axes(place))


def _complete_legend(figure: go.Figure, copy: go.Figure) -> None:
    """Groups of the legend whose entry belonged to a panel that is gone have it at their first trace that is left."""
    entries = {trace.legendgroup for trace in copy.data if trace.showlegend is not False}
    lost = {trace.legendgroup for trace in figure.data if trace.showlegend is not False and trace.legendgroup} - entries
    for trace in copy.data:
        if trace.legendgroup in lost:
            trace.showlegend = True
            lost.remove(trace.legendgroup)


def _moves(note: go.layout.Annotation | go.layout.Shape, places: dict[str, int]) -> bool:
    """Whether a note or a shape is kept, after it has been put on its new axes."""
    axis, _, domain = (note.xref or "x").partition(" ")
    if axis == "paper":
        return True
    if axis not in places:
        return False
    new, domain = panel_axes(places[axis]), f" {domain}" if domain else ""
    note.xref = f"{new['xaxis']}{domain}"
    if (note.yref or "y").startswith("y"):
        note.yref = new["yaxis"] + (" domain" if (note.yref or "").endswith(" domain") else "")
    return True
