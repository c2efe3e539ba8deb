"""A figure with choices: a view for each combination of seed, outcome, checkpoint and so on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import plotly.graph_objects as go
from plotly.io.json import to_json_plotly

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
    """A choice among the values as text, in their order; it starts at `start`, or at the first or the last."""
    texts = tuple(str(value) for value in values)
    return Choice(name, texts, start or texts[-1 if last else 0])


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
