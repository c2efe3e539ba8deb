"""What a study asked: the question in plain words, and what each of its groups is."""

from collections.abc import Sequence

from headreuse.report.inputs import ReportInputs
from headreuse.report.wording import listed
from headreuse.report.words import is_given, measured_words, run_word
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.transfer_rows import OF_ACCURACY

SEEDS = "Models of a group that differ only in their random start are called seeds."
RUNS = (
    "A checkpoint is a saved state of a model in training. The checkpoints of one model are a run; they were made "
    "elsewhere and are measured here."
)
MOST_RUNS = 3
"""That a group's sentence names."""


def asked(inputs: ReportInputs) -> list[str]:
    """The question, then one sentence for each group."""
    return [_question(inputs.study), *(_described(inputs, group) for group in inputs.study.groups)]


def _question(study: Study) -> str:
    transfer, given = study.question.transfer, run_word(study) == "run"
    trained = "A main task is trained on short inputs, together with an auxiliary task that is trained on longer ones."
    if transfer is None:
        return f"Do two tasks use the same attention heads of a model, and how does that change in training? {RUNS}"
    if transfer in OF_ACCURACY and given:
        return (
            "Does a model get more of a task's long inputs right where that task and an auxiliary one use the same "
            f"attention heads? {RUNS}"
        )
    if transfer in OF_ACCURACY:
        same = "Does the main task get more of the long inputs right where the two tasks use the same attention heads?"
        return f"{trained} {same} {SEEDS}"
    larger = f"Is the {measured_words(study, transfer)} larger where two tasks use the same attention heads?"
    return f"{larger} It was measured elsewhere. {RUNS if given else SEEDS}"


def _described(inputs: ReportInputs, group: Group) -> str:
    return _given(inputs, group) if is_given(group) else _trained(inputs, group)


def _trained(inputs: ReportInputs, group: Group) -> str:
    auxiliary = listed([f"{entry.task} (to {entry.max_length})" for entry in group.auxiliary]) or "nothing else"
    main = f"{group.main.task} (trained to length {group.main.max_length})"
    start = (
        "" if group.source is None else f", fine-tuned from each checkpoint of a pretraining, {_steps(inputs, group)}"
    )
    return f"Group {group.name} ({group.kind}): {main} with {auxiliary}{start}.{_heads(group)}"


def _heads(group: Group) -> str:
    """Which heads each task may use, where its group confines them."""
    tasks: dict[tuple[int, ...], list[str]] = {}
    for task, heads in zip(group.task_names, group.heads, strict=False):
        tasks.setdefault(heads, []).append(task)
    parts = [f"{listed(names)} may use {listed([str(head) for head in heads])}" for heads, names in tasks.items()]
    return f" Of the heads of every layer {'; '.join(parts)}." if parts else ""


def _given(inputs: ReportInputs, group: Group) -> str:
    of_files = inputs.study.prompt_file(group.main.task) is not None
    others = f" with {listed(names)}" if (names := [entry.task for entry in group.auxiliary]) else ""
    kind = f" ({group.kind})" if group.kind == "control" else ""
    what = f"the {'prompts' if of_files else 'task'} {group.main.task}{others}"
    return f"Group {group.name}{kind}: {what}, {_checkpoints(inputs, group)}."


def _checkpoints(inputs: ReportInputs, group: Group) -> str:
    """At how many checkpoints of which runs, and their steps."""
    rows = inputs.of_group("checkpoints", group)
    if not len(rows):
        return "at checkpoints of which none is there yet"
    n = f"{len(rows)} checkpoint{'s' if len(rows) > 1 else ''}"
    return f"at {n} of {named_runs(sorted(rows['seed'].unique()))} ({_steps(inputs, group)})"


def _steps(inputs: ReportInputs, group: Group) -> str:
    rows = inputs.of_group("checkpoints", group)
    if not len(rows):
        return "of which none is there yet"
    first, last = int(rows["step"].min()), int(rows["step"].max())
    return f"steps {first:,} to {last:,}" if last > first else f"step {last:,}"


def named_runs(labels: Sequence[object]) -> str:
    """`pythia-160m`, `seeds 0 and 1`, or `12 runs` where they are many."""
    names = [str(label) for label in labels]
    if len(names) > MOST_RUNS:
        return f"{len(names)} runs"
    if all(name.isdigit() for name in names):
        return f"seed{'s' if len(names) > 1 else ''} {listed(names)}"
    return listed(names)
