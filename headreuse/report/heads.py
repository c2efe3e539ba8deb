"""Exhibits of heads: which heads each task needs, which the tasks share, what they attend to."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from headreuse import figures
from headreuse.figures.measures import similarities, with_measure
from headreuse.records import ATTENTION
from headreuse.report import titles
from headreuse.report.exhibits import Exhibit, on_slider, share, tasks, title
from headreuse.report.inputs import ReportInputs
from headreuse.report.pairs import asked_measure
from headreuse.report.tables import Table, table
from headreuse.report.wording import listed
from headreuse.study.group import Group
from headreuse.study.measure_spec import PATTERN_SCORES, outcome_of
from headreuse.study.subsets import OVER_SUBSETS

PLACE = ("outcome", "seed", "step", "task", "length", "layer", "head")
EFFECTS = ["method", *PLACE, "baseline", "effect", "ci_low", "ci_high", "completeness_error"]
PAIR = ("measure", "seed", "step", "task_a", "task_b", "length")
OVERLAPS = [*PAIR, "value", "ci_low", "ci_high", "chance", "p_chance", "least_p", "usable", "reason", "note"]
OF_CHANCE = (
    "p chance asks whether two maps rest on the same heads more than shuffled maps do; it says nothing about transfer. "
    "The interval is over prompts. Where either is missing, the note says why."
)


def ablation(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Head maps of main and auxiliaries side by side, one figure per group."""
    for number, group in enumerate(inputs.study.groups):
        rows = inputs.of_group("head_scores", group)
        if not len(rows):
            continue
        rows, note = on_slider(rows)
        question = "Are the same cells red for main and auxiliary?" if group.auxiliary else "Which heads are needed?"
        yield Exhibit(
            f"ablation-{number}",
            title(group),
            f"{question} Red: the outcome drops when the head is ablated; blue: it rises. Where all cells are pale, no "
            "single head is needed (try an earlier checkpoint). The colour range is the same for all tasks, seeds and "
            f"checkpoints of an outcome.{_over_subsets(inputs)}{_of_patterns(inputs)}{_alignment(inputs, group)}{note}",
            figures.ablation_maps(
                rows,
                tasks=tasks(group),
                baseline_floor=inputs.study.measures.baseline_floor,
                method=inputs.study.headline_method,
                # Late in training most effects on accuracy are 0, and such a map shows nothing.
                outcome=inputs.study.question.outcome or outcome_of(inputs.study.headline_method),
            ),
            (table(rows, EFFECTS),),
            is_wide=True,
            plot_share=share(inputs.study, group),
            shows=titles.top_heads(inputs, group),
        )


def _over_subsets(inputs: ReportInputs) -> str:
    """What the maps show that ablate further heads with each."""
    found = [method for method in inputs.study.measures.methods if method in OVER_SUBSETS]
    if not found:
        return ""
    return (
        f" By {listed(found)} an effect is the mean over ablations of the other heads, so heads that stand in for each "
        "other are seen too; by ablation of one head alone they are pale."
    )


def _of_patterns(inputs: ReportInputs) -> str:
    """What the maps show in which nothing is ablated."""
    found = [method for method in inputs.study.measures.methods if method in PATTERN_SCORES]
    if not found:
        return ""
    return f" By {listed(found)} no head is ablated: red is the share of its attention that goes where the score asks."


def _alignment(inputs: ReportInputs, group: Group) -> str:
    """How positions of different prompts correspond, where a head's output is replaced by a mean over prompts."""
    by_way: dict[str, list[str]] = {}
    for task in tasks(group):
        if task in inputs.lined_up:
            by_way.setdefault(_way(inputs, task), []).append(task)
    if not by_way:
        return ""
    ways = [f"{way}{f' ({listed(named)})' if len(by_way) > 1 else ''}" for way, named in by_way.items()]
    return f" Means over prompts are taken {listed(ways)}."


def _way(inputs: ReportInputs, task: str) -> str:
    if inputs.lined_up[task]:
        return "position by position"
    file = inputs.study.prompt_file(task)
    spans = file.rows.spans if file is not None else None
    if spans:
        return f"by the spans {listed([span.name for span in spans[0]])}"
    return "over all positions together, since the prompts do not line up; attention patterns are then not compared"


def sharing(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Task × task overlap, one figure per group."""
    for number, group in enumerate(inputs.study.groups):
        rows = inputs.of_group("overlap", group)
        rows = similarities(rows) if len(rows) else rows
        if not len(rows):
            continue
        rows, note = on_slider(rows)
        yield Exhibit(
            f"sharing-{number}",
            title(group),
            "How alike are the head maps of each two tasks, compared with chance and with the ceiling that sampling "
            "noise allows (both marked on the colour bar)? 1 means the same heads; ○ marks a value that is not "
            f"usable.{note}",
            figures.overlap_matrices(rows, tasks=tasks(group), measure=asked_measure(inputs, rows)),
            (table(with_measure(rows), OVERLAPS, caption=OF_CHANCE),),
            shows=titles.alike(inputs, group),
        )


def attention(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Mean patterns of each task's top heads at the end of training, one figure per group."""
    for number, group in enumerate(inputs.study.groups):
        found = [entry for entry in inputs.patterns if entry.group == group.name]
        heads = {
            seed: _heads(inputs, group, seed, found) for seed in sorted({entry.seed for entry in found}, key=_of_run)
        }
        heads = {seed: chosen for seed, chosen in heads.items() if chosen}
        if not heads:
            continue
        outcome = next(iter(heads.values()))[0].outcome
        yield Exhibit(
            f"attention-{number}",
            title(group),
            f"Does a head attend in the same way in each task? Each row is a head {_chosen_for(outcome)}. Down: the "
            "query position; across: the key position, from purple (0) to yellow (1).",
            figures.attention_patterns(found, heads, tasks=tasks(group)),
            (_pattern_table(found, heads),),
            is_wide=True,
            plot_share=share(inputs.study, group),
        )


def _chosen_for(outcome: str) -> str:
    if outcome == ATTENTION:
        return "that looks most, in main or an auxiliary, where the score asks"
    return f"whose ablation costs main or an auxiliary most (the drop is in {outcome.replace('_', ' ')})"


def _of_run(label: int | str) -> tuple[bool, int | str]:
    """Sorts seeds before names of series."""
    return isinstance(label, str), label


def _heads(
    inputs: ReportInputs, group: Group, seed: int | str, found: Sequence[figures.RunPattern]
) -> list[figures.HeadOfInterest]:
    """The heads of one run to show: those that its last checkpoint needs most, by the study's headline method."""
    rows = inputs.of_group("head_scores", group)
    if not len(rows):
        return []
    step = max(entry.step for entry in found if entry.seed == seed)
    method = inputs.study.headline_method
    chosen = rows[(rows["step"] == step) & (rows["method"] == method)]
    # As text, since seeds become text when a table that also has names of series is read back from its file.
    chosen = chosen[chosen["seed"].astype(str) == str(seed)]
    outcome = outcome_of(method) if (chosen["outcome"] == outcome_of(method)).any() else "exact_match"
    return figures.heads_that_matter(chosen, tasks=tasks(group), outcome=outcome)


def _pattern_table(
    found: Sequence[figures.RunPattern], heads: Mapping[int | str, Sequence[figures.HeadOfInterest]]
) -> Table:
    """One row per pattern and query position; a column for each key position."""
    frames = []
    for entry in found:
        for chosen in heads.get(entry.seed, []):
            pattern = entry.mean.pattern[chosen.head.layer, chosen.head.head_index]
            frame = pd.DataFrame(pattern).add_prefix("to_")
            place: dict[str, object] = {"seed": entry.seed, "head": str(chosen.head), "task": entry.mean.task}
            place |= {"from": range(len(frame)), "role": [role.lower() for role in entry.mean.layout]}
            frames.append(pd.concat([pd.DataFrame(place), frame], axis=1))
    rows = pd.concat(frames, ignore_index=True)
    return table(
        rows, caption="Attention from each query position (row) to each key position (column), for the heads shown."
    )
