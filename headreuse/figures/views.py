"""A figure with choices: a view for each combination of seed, outcome, checkpoint and so on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import plotly.graph_objects as go
from plotly.io.json import to_json_plotly

from headreuse.errors import HeadreuseError, nearest

Key = tuple[str, ...]


@dataclass(frozen=True)
class View:
    """What changes in a figure when this view is chosen."""

    traces: Sequence[Mapping[str, Any]]
    """One for each trace of the figure, in order; only what differs between views is needed."""
    layout: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """One thing that a reader may choose."""

    name: str
    values: Key
    start: str
    """The value shown first."""


def choice(name: str, values: Sequence[object], *, last: bool = False, start: str | None = None) -> Choice:
    """A choice among the values as text, in their order; it starts at `start` if that is one of them."""
    texts = tuple(str(value) for value in values)
    return Choice(name, texts, start if start in texts else texts[-1 if last else 0])


def keys(choices: Sequence[Choice]) -> list[Key]:
    """Every combination of values."""
    return list(product(*(entry.values for entry in choices)))


def frame_name(key: Key) -> str:
    """The name of a view: a JSON list, written as a browser writes it."""
    return json.dumps(list(key), ensure_ascii=False, separators=(",", ":"))


def add_views(figure: go.Figure, choices: Sequence[Choice], views: Mapping[Key, View]) -> go.Figure:
    """The figure with all its views; it shows the view in which every choice starts.

    Views are kept as one JSON text in `layout.meta`: plotly would check and copy each of thousands of frames, which
    took most of the time of a report.
    """
    held = {frame_name(key): {"data": list(view.traces), "layout": view.layout} for key, view in views.items()}
    start = views[tuple(entry.start for entry in choices)]
    for trace, change in zip(figure.data, start.traces, strict=True):
        trace.update(**{name: value for name, value in change.items() if name != "type"})
    figure.update_layout(**start.layout)
    figure.layout.meta = (figure.layout.meta or {}) | {
        "choices": [{"name": entry.name, "values": list(entry.values), "start": entry.start} for entry in choices],
        "views": to_json_plotly(held),
    }
    return figure


def frames_of(figure: go.Figure) -> tuple[go.Frame, ...]:
    """The views of a figure as plotly's named frames, in order; empty for a figure without views."""
    held = json.loads((figure.layout.meta or {}).get("views", "{}"))
    return tuple(go.Frame(name=name, **view) for name, view in held.items())


def choices_of(figure: go.Figure) -> list[Choice]:
    """What a reader may choose in a figure; empty for a figure without views."""
    stored = (figure.layout.meta or {}).get("choices", [])
    return [Choice(entry["name"], tuple(entry["values"]), entry["start"]) for entry in stored]


def with_view(figure: go.Figure, chosen: Mapping[str, str]) -> go.Figure:
    """A copy of a figure that shows one of its views, and has no others.

    Args:
        figure: with views or without.
        chosen: values by the names of choices; the others stay as they start. The first words of a value are enough
            where they are those of one alone.

    Raises `HeadreuseError` for a choice or a value that the figure does not have, and says which there are.
    """
    choices = {entry.name: entry for entry in choices_of(figure)}
    for name in chosen:
        if name not in choices:
            known = listed_choices(figure) or "it has none"
            raise HeadreuseError(f"no choice {name!r}{nearest(name, list(choices))}; choose from: {known}")
    key = tuple(_value(entry, chosen[name]) if name in chosen else entry.start for name, entry in choices.items())
    copy = go.Figure(figure.data, figure.layout)
    if "views" in (copy.layout.meta or {}):
        view = json.loads(copy.layout.meta["views"])[frame_name(key)]
        shown = [{"name": name, "values": [value], "start": value} for name, value in zip(choices, key, strict=True)]
        copy.layout.meta = {name: held for name, held in copy.layout.meta.items() if name != "views"}
        copy.layout.meta = copy.layout.meta | {"choices": shown}
        for trace, change in zip(copy.data, view["data"], strict=True):
            trace.update({name: value for name, value in change.items() if name != "type"})
        copy.update_layout(view["layout"])
    return copy


def listed_choices(figure: go.Figure) -> str:
    """The choices of a figure with their values, in one line; empty where it has none."""
    return "; ".join(f"{entry.name} ({', '.join(entry.values)})" for entry in choices_of(figure))


def _value(entry: Choice, asked: str) -> str:
    """The value that is meant by its whole text or by its first words."""
    meant = [value for value in entry.values if value == asked]
    meant = meant or [value for value in entry.values if value.startswith(f"{asked} ")]
    if len(meant) != 1:
        wrong = "may be several of" if meant else f"is none{nearest(asked, list(entry.values))} of"
        raise HeadreuseError(f"{entry.name}: {asked!r} {wrong} its values: {', '.join(meant or entry.values)}")
    return meant[0]


def with_slider(figure: go.Figure) -> go.Figure:
    """A copy with plotly's slider through all its views, for a notebook; few rows give few views."""
    copy = go.Figure(figure)
    copy.frames = frames_of(figure)
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    names = [frame.name for frame in copy.frames]
    start = frame_name(tuple(entry.start for entry in choices_of(copy)))
    steps = [
        {"method": "animate", "args": [[name], at_once], "label": " · ".join(json.loads(name)).replace("<", "&lt;")}
        for name in names
    ]
    if names:
        copy.update_layout(sliders=[{"active": names.index(start), "steps": steps, "pad": {"t": 40}}])
        copy.layout.margin.b = (copy.layout.margin.b or 0) + 90
        copy.layout.height = (copy.layout.height or 450) + 90
    return copy
