"""How large is the gap by the longest lengths of main and its auxiliaries? Measured cells beside the published ones.

python -m analyses.gaps FOLDER … --out analyses/results/NAME

A folder is a run folder, or what `analyses.collect` has kept of one; its groups differ in their lengths. Writes
gaps.csv, with the mean, least and greatest gap over the seeds that have learned main, at the last step, the gap without
any transfer, 1 − min/max of the two lengths, and the published gap of reverse_add; and gaps.png: a panel for each
measured main task, and the published panel (mean of three seeds; Cai et al. 2025, arXiv 2506.09251). The picture needs
the extra `png` and a Chromium; without them, give `--no-picture`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from analyses.measured_arms import Arm, read_arms
from headreuse.errors import HeadreuseError
from headreuse.figures.panels import Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.style import FRACTION
from headreuse.report.printing import save_figure
from headreuse.store.writing import written_whole

LENGTHS = (4, 8, 16, 32, 64, 128, 256)
PUBLISHED_TASK = "reverse_add"
_ROWS = {
    4: (0.00, 0.41, 0.65, 0.78, 0.78, 0.78, 0.75),
    8: (0.28, 0.00, 0.27, 0.74, 0.91, 0.91, 0.89),
    16: (0.60, 0.03, 0.00, 0.23, 0.67, 0.90, 0.95),
    32: (0.90, 0.72, 0.15, 0.00, 0.16, 0.34, 0.87),
    64: (0.95, 0.87, 0.72, 0.09, 0.00, 0.04, 0.66),
    128: (0.94, 0.95, 0.91, 0.36, 0.04, 0.00, 0.34),
    256: (0.91, 0.94, 0.93, 0.87, 0.63, 0.20, 0.00),
}
PUBLISHED = {(main, other): gap for main, gaps in _ROWS.items() for other, gap in zip(LENGTHS, gaps, strict=True)}
"""By the longest length of main and that of its auxiliaries."""
WIDTH = "980px"


def measured(arms: Sequence[Arm]) -> pd.DataFrame:
    """A row for each arm with related auxiliaries; raises where two measure one cell."""
    rows = {}
    for arm in arms:
        if arm.kind != "related":
            continue
        cell = arm.main.task, arm.main.max_length, max(one.max_length for one in arm.auxiliary)
        if cell in rows:
            task, main, auxiliary = cell
            raise HeadreuseError(f"{arm.name}: {task} to {main} with {auxiliary} is there twice; leave a folder out")
        rows[cell] = arm.values("gap").agg(["mean", "min", "max", "count"]).tolist()
    columns = ["task", "main", "auxiliary", "gap", "least", "greatest", "n_seeds"]
    return pd.DataFrame([[*cell, *values] for cell, values in rows.items()], columns=columns).astype({"n_seeds": int})


def with_published(cells: pd.DataFrame) -> pd.DataFrame:
    """With the gap that there is without any transfer, and the published one where there is one."""
    shorter, longer = cells[["main", "auxiliary"]].min(axis=1), cells[["main", "auxiliary"]].max(axis=1)
    pairs = zip(cells["main"], cells["auxiliary"], strict=True)
    published = pd.Series([PUBLISHED.get(pair) for pair in pairs], dtype=float)
    return cells.assign(without_transfer=1 - shorter / longer, published_reverse_add=published)


def draw(cells: pd.DataFrame) -> go.Figure:
    """Main's longest length downwards, its auxiliaries' to the right; a panel for each task, and the published one."""
    published = pd.Series(PUBLISHED, name="gap").rename_axis(["main", "auxiliary"]).reset_index()
    panels = [(str(task), rows) for task, rows in cells.groupby("task", sort=False)]
    panels.append((f"{PUBLISHED_TASK}, as published", published))
    place = Arrangement(columns=len(panels), height=330, column_gap=0.1, margin=(62, 80, 44, 56))
    titles = panel_titles([title for title, _ in panels])
    scale = {"colorscale": FRACTION, "cmin": 0, "cmax": 1, "colorbar.title.text": "gap"}
    figure = go.Figure(layout=panel_layout(len(panels), place, place, coloraxis=scale, annotations=titles))
    for index, (_, rows) in enumerate(panels):
        figure.add_trace(_heatmap(rows, index))
    figure.update_xaxes(title="auxiliaries trained to", type="category", showgrid=False)
    figure.update_yaxes(title="main trained to", type="category", showgrid=False, autorange="reversed")
    return figure


def _heatmap(rows: pd.DataFrame, index: int) -> go.Heatmap:
    grid = rows.pivot_table(index="main", columns="auxiliary", values="gap")
    return go.Heatmap(
        x=[str(length) for length in grid.columns],
        y=[str(length) for length in grid.index],
        z=grid.to_numpy(),
        coloraxis="coloraxis",
        xgap=1,
        ygap=1,
        texttemplate="%{z:.2f}",
        hoverongaps=False,
        **panel_axes(index),
    )


def main() -> None:
    """Write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--no-picture", action="store_true")
    arguments = parser.parse_args()
    try:
        cells = with_published(measured(read_arms(arguments.folders)))
        with written_whole(arguments.out / "gaps.csv") as draft:
            cells.round(5).to_csv(draft, index=False)
        if not arguments.no_picture:
            save_figure(draw(cells), arguments.out / "gaps.png", width=WIDTH)
    except HeadreuseError as error:
        parser.error(str(error))
    print(cells.to_string(index=False, float_format="{:.2f}".format))


if __name__ == "__main__":
    main()
