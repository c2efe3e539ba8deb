"""Does every overlap measure rise with sharing that is known? Models with planted heads, from 0 to 100 % shared.

python -m analyses.planted_sharing --out analyses/results/planted_sharing

writes overlap.csv (sharing, metric, value, ci_low, ci_high) and overlap.html, whose figure is kept beside it as PNG.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from headreuse.interventions.head_sets import other_sets_like, set_ablation
from headreuse.overlap import SetAblations, functional_overlap, map_metrics
from headreuse.scores import mean_ablation
from tests.planting import plant_sharing

SHARING = tuple(n / 10 for n in range(11))
N_HEADS, N_PROMPTS, N_SETS = 10, 200, 40
SHOWN = ("cosine", "spearman", "top_k_jaccard", "ablation_map_difference")


def measure(sharing: float, seed: int) -> pd.DataFrame:
    """Every overlap metric between the maps of A and B, and what of B's loss A's top heads account for."""
    truth, generator = plant_sharing(sharing), np.random.default_rng(seed)
    prompts = {task: truth.prompts(task, N_PROMPTS, generator) for task in ("A", "B")}
    scores = {task: mean_ablation(truth.model, prompts[task]) for task in prompts}
    tops = {task: found.top(N_HEADS, "exact_match") for task, found in scores.items()}
    sets = [tops["A"], tops["B"], *other_sets_like(tops["A"], 8, N_SETS, generator)]
    lost = set_ablation(truth.model, prompts["B"], sets).effects["exact_match"]
    functional = functional_overlap(SetAblations("A", "B", "exact_match", N_HEADS, lost[0], lost[1], lost[2:]))
    maps = [scores[task].effect("exact_match") for task in ("A", "B")]
    rows = [(sharing, name, float(metric(*maps, k=N_HEADS)), np.nan, np.nan) for name, metric in map_metrics().items()]
    rows.append((sharing, "functional_overlap", functional.value, functional.ci_low, functional.ci_high))
    return pd.DataFrame(rows, columns=["sharing", "metric", "value", "ci_low", "ci_high"])


def draw(table: pd.DataFrame) -> go.Figure:
    """Measured against true sharing; the bars of functional overlap are its 95 % intervals."""
    figure = go.Figure(layout={"template": "simple_white", "width": 720, "height": 430})
    figure.update_xaxes(title="heads that tasks A and B truly share", tickformat=".0%")
    figure.update_yaxes(title="measured")
    figure.add_scatter(x=[0, 1], y=[0, 1], name="truth", mode="lines", line={"color": "#999999", "dash": "dot"})
    for name in ("functional_overlap", *SHOWN):
        rows = table[table["metric"] == name]
        bars = {"array": rows["ci_high"] - rows["value"], "arrayminus": rows["value"] - rows["ci_low"]}
        figure.add_scatter(x=rows["sharing"], y=rows["value"], error_y=bars, name=name, mode="lines+markers")
    return figure


def main() -> None:
    """Measure at every sharing, and write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    table = pd.concat([measure(sharing, arguments.seed) for sharing in SHARING], ignore_index=True)
    table.to_csv(arguments.out / "overlap.csv", index=False)
    draw(table).write_html(arguments.out / "overlap.html", include_plotlyjs="directory", div_id="planted-sharing")
    print(
        table[table["metric"].isin(("functional_overlap", *SHOWN))].to_string(index=False, float_format="{:.3f}".format)
    )


if __name__ == "__main__":
    main()
