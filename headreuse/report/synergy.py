"""Exhibits of pairs of heads: which stand in for each other."""

from collections.abc import Iterator

from headreuse import figures
from headreuse.report.exhibits import Exhibit, share, tasks, title
from headreuse.report.inputs import ReportInputs
from headreuse.report.tables import table
from headreuse.study.measure_spec import DEFAULT_OUTCOME

COLUMNS = ["outcome", "seed", "step", "task", "length", "layer_a", "head_a", "layer_b", "head_b"]
COLUMNS += ["synergy", "ci_low", "ci_high"]


def synergy(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Head × head maps of main and auxiliaries side by side, one figure per group."""
    for number, group in enumerate(inputs.study.groups):
        rows = inputs.of_group("synergy", group)
        if not len(rows):
            continue
        yield Exhibit(
            f"synergy-{number}",
            title(group),
            "Each cell is two heads. Red: losing both costs more than losing each, so one stands in for the other, and "
            "single-head ablation sees less of them than they do. Blue: losing both costs less, as where one head "
            "works on what the other gives. Means over ablations of the other heads, at the last checkpoint.",
            figures.synergy_maps(rows, tasks=tasks(group), outcome=inputs.study.question.outcome or DEFAULT_OUTCOME),
            (table(rows, COLUMNS),),
            is_wide=True,
            plot_share=share(inputs.study, group),
        )
