"""What cannot work although each part of it could: lengths that tasks lack, and studies too large for any machine.

Each problem is one line with its place in the user's file and the largest value that works.
"""

from collections.abc import Callable, Iterator
from functools import partial
from math import floor

from headreuse.study import limits
from headreuse.study.config import Study
from headreuse.study.costs import Costs, costs_of
from headreuse.study.group import Group
from headreuse.study.showing import Place, place_shown
from headreuse.study.subsets import least_subsets

Origin = Callable[[Place], Place]
"""Where in the user's file a place of the unfolded study comes from."""


def problems_of_lengths(study: Study, origin: Origin) -> Iterator[str]:
    """Lengths that a task does not have, or at which heads cannot be scored."""
    longest = {name: study.task(name).max_length for group in study.groups for name in group.task_names}
    for index, group in enumerate(study.groups):
        place = place_shown(origin(("groups", index)))
        for entry in group.tasks:
            limit = longest[entry.task]
            if limit is not None and entry.max_length > limit:
                yield f"{place}: {entry.task} has no length {entry.max_length} here; its longest is {limit}"
        if study.evaluated_to(group) > limits.LENGTH:
            yield (
                f"{place}: curves of accuracy go to length {study.evaluated_to(group)}; at most {limits.LENGTH} works: "
                "lower evaluate_to, or transfer_to and measures.beyond"
            )
        yield from _problems_of_scored_length(study, group, place)


def _problems_of_scored_length(study: Study, group: Group, place: str) -> Iterator[str]:
    given, scored = study.measures.score_length, study.score_length(group)
    for entry in group.tasks:
        if not scored or entry.min_length <= scored <= entry.max_length:
            continue
        if given is None:
            yield (
                f"{place}: heads are scored at {scored}, the shortest max_length of its tasks, "
                f"but {entry.task} begins at {entry.min_length}; raise that max_length to {entry.min_length}"
            )
        else:
            yield (
                f"measures.score_length: {given} is outside the lengths that {place} trains {entry.task} on; "
                f"nearest: {min(max(given, entry.min_length), entry.max_length)}"
            )


def problems_of_subsets(study: Study, origin: Origin) -> Iterator[str]:
    """Fewer subsets of heads than tell the heads of a model apart that is trained here."""
    asked = study.measures.subsets
    for index, group in enumerate(study.groups):
        model = study.model_of(group)
        least = least_subsets(model.n_layers * model.n_heads)
        if asked is not None and asked < least and group.source is None:
            yield (
                f"measures.subsets: {asked} cannot tell the {model.n_layers * model.n_heads} heads of "
                f"{place_shown(origin(('groups', index)))} apart; give at least {least}"
            )


def problems_of_size(study: Study, origin: Origin) -> Iterator[str]:
    """What no machine could hold in its memory, or do in a year, of what is trained here."""
    costs = [costs_of(study, group) for group in study.groups]
    for index, (group, cost) in enumerate(zip(study.groups, costs, strict=True)):
        if group.source is None:
            yield from _problems_of_one_model(study, group, cost, partial(_inside, origin, index))
    if all(group.source or _is_possible(group, cost) for group, cost in zip(study.groups, costs, strict=True)):
        yield from _problems_of_all_models(study, sum(cost.seconds for cost in costs))


def _is_possible(group: Group, cost: Costs) -> bool:
    return cost.seconds <= limits.YEAR and _n_checkpoints(group) <= limits.CHECKPOINTS


def _problems_of_all_models(study: Study, seconds_a_seed: float) -> Iterator[str]:
    """Where each model is possible: are they too many together?"""
    n_seeds, n_groups = len(study.seeds), len(study.groups)
    if n_seeds * n_groups > limits.RUNS:
        yield f"seeds: {n_seeds:,} of {n_groups:,} groups; at most {limits.RUNS // n_groups:,} of so many groups work"
        return
    if (n_checkpoints := n_seeds * sum(map(_n_checkpoints, study.groups))) > limits.ALL_CHECKPOINTS:
        yield f"training.checkpoints: {n_checkpoints:,} of all models; at most {limits.ALL_CHECKPOINTS:,} work"
    if (seconds := n_seeds * seconds_a_seed) > limits.MACHINES * limits.YEAR:
        most = floor(limits.MACHINES * limits.YEAR / seconds_a_seed)
        at_most = f"at most {most:,} work" if most else "make several studies of fewer groups"
        yield f"seeds: all {n_seeds:,} of {n_groups:,} groups take {_years(seconds)}; {at_most}"


def _n_checkpoints(group: Group) -> int:
    return group.training.checkpoints.n_steps(group.training.steps)


def _inside(origin: Origin, index: int, *place: str) -> Place:
    return origin(("groups", index, *place))


def _problems_of_one_model(study: Study, group: Group, cost: Costs, origin: Callable[..., Place]) -> Iterator[str]:
    model, spec, measures = study.model_of(group), group.training, study.measures

    def place(part: str, key: str) -> str:
        shared = getattr(study, part)
        own = getattr(shared, key) != getattr(model if part == "model" else spec, key)
        return place_shown(origin(part, key)) if own else f"{part}.{key}"

    if cost.state_bytes > limits.DEVICE_BYTES:
        most = floor(model.n_layers * limits.DEVICE_BYTES / cost.state_bytes)
        at_most = f"at most {most:,} layers work at d_model {model.d_model:,}" if most else "lower d_model and d_mlp"
        yield f"{place('model', 'n_layers')}: the model takes {_bytes(cost.state_bytes)} of memory to train; {at_most}"
    elif cost.batch_bytes > limits.MACHINE_BYTES:
        most = floor(spec.batch_size * limits.MACHINE_BYTES / cost.batch_bytes)
        at_most = f"at most {most:,} works" if most else "lower max_length or the size of the model"
        yield f"{place('training', 'batch_size')}: a batch takes {_bytes(cost.batch_bytes)} of memory; {at_most}"
    if cost.score_bytes > limits.MACHINE_BYTES:
        most = floor(measures.n_score_examples * limits.MACHINE_BYTES / cost.score_bytes)
        yield f"measures.n_score_examples: head scores take {_bytes(cost.score_bytes)}; at most {most:,} work"
    if cost.train_seconds > limits.YEAR:
        most = floor(spec.steps * limits.YEAR / cost.train_seconds)
        at_most = f"at most {most:,} work" if most else "lower batch_size, lengths or the size of the model"
        yield f"{place('training', 'steps')}: training one model takes {_years(cost.train_seconds)}; {at_most}"
    if cost.evaluate_seconds > limits.YEAR:
        most = floor(measures.n_examples * limits.YEAR / cost.evaluate_seconds)
        at_most = f"at most {most:,} work" if most else "keep fewer checkpoints"
        yield f"measures.n_examples: evaluating one model takes {_years(cost.evaluate_seconds)}; {at_most}"
    if (n := _n_checkpoints(group)) > limits.CHECKPOINTS:
        every = -(-spec.steps // limits.CHECKPOINTS)
        at_most = f"at most {limits.CHECKPOINTS:,} work: every = {every}"
        yield f"{place('training', 'checkpoints')}: {n:,} of one model; {at_most}"


def _bytes(number: float) -> str:
    return f"{number / 1e9:,.0f} GB"


def _years(seconds: float) -> str:
    return f"{seconds / limits.YEAR:,.1f} years on a very fast machine"
