"""Position schemes that do not suit a group: ids that a task does not give, positions that come to an end."""

from collections.abc import Iterator

from headreuse.study.config import Study
from headreuse.study.feasible import Origin
from headreuse.study.group import Group
from headreuse.study.model_spec import COUPLED_POSITIONS
from headreuse.study.own_tasks.files import Unloaded
from headreuse.study.showing import place_shown


def problems_of_positions(study: Study, origin: Origin) -> Iterator[str]:
    """Of groups whose models are trained here from scratch."""
    for index, group in enumerate(study.groups):
        if group.source is not None:
            continue
        place = place_shown(origin(("groups", index)))
        if study.model_of(group).position in COUPLED_POSITIONS:
            yield from _uncoupled(study, group, place)
        yield from _beyond(study, group, place)


def _uncoupled(study: Study, group: Group, place: str) -> Iterator[str]:
    tasks = [study.task(name) for name in group.task_names]
    lacking = [task.name for task in tasks if not isinstance(task, Unloaded) and task.coupled_ids is None]
    if lacking:
        yield (
            f'{place}: position "{study.model_of(group).position}" needs tasks that say which symbols belong together '
            f"(coupled_ids), and {', '.join(lacking)} {'does' if len(lacking) == 1 else 'do'} not; take another "
            "position there"
        )


def _beyond(study: Study, group: Group, place: str) -> Iterator[str]:
    model, longest = study.model_of(group), study.evaluated_to(group)
    if model.has_position_rows and longest > study.positions_to(group):
        yield (
            f"{place}: curves of accuracy go to length {longest}, but its models have positions for length "
            f"{study.positions_to(group)} at most; set model.positions_to = {longest}, or lower evaluate_to"
        )
