"""How far does the main task reach in each arm? Accuracy by length, a panel for each arm and a line for each seed.

python -m analyses.curves FOLDER … --out FILE.png

A folder is a run folder, or what `analyses.collect` has kept of one; all arms of all folders are drawn, at their last
step. Dotted lines: the longest length of main, and of its auxiliaries. Needs the extra `png` and a Chromium.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from analyses.measured_arms import read_tables
from headreuse.errors import HeadreuseError
from headreuse.figures.panels import Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.seeds import run_name, seed_line
from headreuse.figures.style import MUTED, escaped
from headreuse.report.printing import save_figure
from headreuse.study import Group
from headreuse.tables.transfer import curves

COLUMNS = 3
WIDTH = "1100px"


@dataclass(frozen=True)
class Reach:
    """One arm: how far its main task reaches."""

    group: Group
    accuracy: pd.DataFrame
    """Of main at the last step, from 0 to 1; a row for each length, a column for each seed."""

    @property
    def title(self) -> str:
        """The group, main, and what it is trained with; names are escaped."""
        main, *others = (f"{escaped(entry.task)} to {entry.max_length}" for entry in self.group.tasks)
        beside = f"with {' and '.join(others)}" if others else "alone"
        return f"<b>{escaped(self.group.name)}</b><br>{main}<br>{beside}"

    @property
    def trained_to(self) -> list[int]:
        """The longest lengths of main and of its auxiliaries."""
        return sorted({entry.max_length for entry in self.group.tasks})


def reaches(folders: Sequence[Path]) -> list[Reach]:
    """The arms of finished studies that have reached their last step, in the order of the folders."""
    found = []
    for folder in folders:
        study, tables = read_tables(folder)
        for group in study.groups:
            accuracy = tables["accuracy"]
            main = curves(accuracy[accuracy["step"] == group.training.steps], group)[group.main.task].dropna()
            if len(main):
                found.append(Reach(group, main.droplevel("step").unstack("seed")))
    if not found:
        raise HeadreuseError(f"{', '.join(map(str, folders))}: no run has reached its last step")
    return found


def draw(arms: Sequence[Reach]) -> go.Figure:
    """A panel for each arm; lengths to the right, accuracy upwards, a line for each seed."""
    seeds = sorted({seed for arm in arms for seed in arm.accuracy.columns})
    n_columns = min(COLUMNS, len(arms))
    place = Arrangement(columns=n_columns, height=230, column_gap=0.06, row_gap=112, margin=(56, 16, 76, 48))
    titles = panel_titles([arm.title for arm in arms])
    figure = go.Figure(
        layout=panel_layout(len(arms), place, place, legend=[run_name(seed) for seed in seeds], annotations=titles)
    )
    drawn: set[int] = set()
    for index, arm in enumerate(arms):
        axes = panel_axes(index)
        for seed, values in arm.accuracy.items():
            points = {"x": values.index.to_list(), "y": values.to_list(), "showlegend": seed not in drawn}
            figure.add_trace(seed_line(seed, seeds, **points, **axes))
            drawn.add(seed)
        for length in arm.trained_to:
            line = {"color": MUTED, "width": 1, "dash": "dot"}
            ends = {"x0": length, "x1": length, "y0": 0, "y1": 1, "xref": axes["xaxis"], "yref": axes["yaxis"]}
            figure.add_shape(type="line", line=line, layer="below", **ends)
    figure.update_yaxes(range=[-0.04, 1.04], dtick=0.5)
    figure.update_xaxes(title="length")
    figure.update_layout(yaxis={"title": {"text": "accuracy"}})
    return figure


def main() -> None:
    """Draw what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    try:
        print(save_figure(draw(reaches(arguments.folders)), arguments.out, width=WIDTH))
    except HeadreuseError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
