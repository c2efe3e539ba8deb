"""What cannot work of groups whose models start from pretrained ones, and what works for these alone."""

from collections.abc import Iterator
from itertools import combinations

from headreuse.prompts.form import PROMPT, TASK
from headreuse.study.config import Study
from headreuse.study.feasible import Origin
from headreuse.study.group import Group
from headreuse.study.showing import place_shown


def problems_of_starts(study: Study, origin: Origin) -> Iterator[str]:
    """Fine-tuning on prompts that are measured, and settings that are for the other kind of training."""
    for index, group in enumerate(study.groups):
        place = place_shown(origin(("groups", index)))
        if group.source is None:
            yield from _problems_from_scratch(group, place)
        elif group.source.trains:
            yield from _problems_of_tuning(study, group, place)


def _problems_from_scratch(group: Group, place: str) -> Iterator[str]:
    if group.training.lora is not None:
        yield (
            f"{place}: training.lora adapts pretrained models, but its model is trained from scratch; "
            "give it a start, or leave lora out of its training"
        )


def _problems_of_tuning(study: Study, group: Group, place: str) -> Iterator[str]:
    for name in group.task_names:
        if study.prompt_file(name):
            yield (
                f"{place}: {name} is a file of prompts, which are measured and never trained on; "
                "give a task, or series in the place of start"
            )
    asked = {entry.task: entry.template.replace(TASK, entry.task) for entry in group.tasks}
    for one, other in combinations(asked, 2):
        if asked[one] == asked[other]:
            yield (
                f"{place}: {one} and {other} have one template, so nothing tells the model which is asked for; "
                f'give both, for example, template = "{TASK}: {PROMPT}"'
            )
    if group.training.compile:
        yield f"{place}: training.compile is for models that are trained from scratch; leave it out of its training"
