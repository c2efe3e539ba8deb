"""What cannot work of groups whose prompts are text: files of prompts, and tasks in a form."""

from collections.abc import Iterator

from headreuse.prompts.form import TextForm
from headreuse.study.config import Study
from headreuse.study.feasible import Origin
from headreuse.study.group import Group
from headreuse.study.showing import place_shown


def problems_of_texts(study: Study, origin: Origin) -> Iterator[str]:
    """Text where a model is trained on symbols, lengths that some prompts lack, one task in two forms."""
    forms: dict[str, TextForm] = {}
    for index, group in enumerate(study.groups):
        place = place_shown(origin(("groups", index)))
        yield from _problems_of_origin(study, group, place)
        yield from _problems_of_lengths(study, group, place)
        for entry in group.tasks:
            if forms.setdefault(entry.task, entry.form) != entry.form:
                yield f"{place}: {entry.task} has another template, shots or chat than in a group before; give it one"


def _problems_of_origin(study: Study, group: Group, place: str) -> Iterator[str]:
    if group.source is not None:
        return
    for entry in group.tasks:
        if study.prompt_file(entry.task) or entry.form != TextForm():
            yield (
                f"{place}: {entry.task} is text, but its model would be trained here on symbols; "
                'say where its checkpoints are, for example series = "out/"'
            )


def _problems_of_lengths(study: Study, group: Group, place: str) -> Iterator[str]:
    without = [entry.task for entry in group.tasks if not entry.max_length]
    if without and len(without) < len(group.tasks):
        others = ", ".join(entry.task for entry in group.tasks if entry.max_length)
        yield f"{place}: {', '.join(without)} has prompts without lengths and {others} has some; give all a length"
    scored = study.measures.score_length
    for name in group.task_names if scored is not None else ():
        file = study.prompt_file(name)
        if file and scored not in file.lengths:
            given = ", ".join(map(str, file.lengths)) if file.lengths != (0,) else "none"
            yield f"measures.score_length: {file.file} has no prompts of length {scored}; its lengths: {given}"
