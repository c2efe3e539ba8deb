"""The page: sections of exhibits and the study, filled into the template; it fetches nothing when it is read."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from headreuse.figures.style import DARK, THEME
from headreuse.figures.views import Choice, choices_of
from headreuse.report.answer import answer
from headreuse.report.asked import asked
from headreuse.report.caveats import caveats
from headreuse.report.exhibits import Exhibit
from headreuse.report.glossary import glossary
from headreuse.report.inputs import ReportInputs
from headreuse.report.overview import overview
from headreuse.report.packing import packed, packed_figure, packed_table
from headreuse.report.sections import Section, sections_of
from headreuse.report.words import in_runs, is_given, run_word
from headreuse.study.config import Study
from headreuse.study.transfer_rows import OF_ACCURACY

LONG_TEXTS: dict[str, Any] = {"prompts": {"__all__": {"text"}}, "transfer": {"text"}}
"""Files that may have megabytes; study.json has them."""
TEXTS: dict[str, Any] = {"tasks": {"__all__": {"source"}}} | LONG_TEXTS
"""What stands in a study and is no setting."""


@dataclass(frozen=True)
class Page:
    """What a page says at the top, and which sections follow."""

    sections: Sequence[Section]
    answer: Sequence[str]
    caveats: Sequence[str]


def study_page(inputs: ReportInputs) -> Page:
    """The page of one study."""
    return Page(sections_of(inputs.study), answer(inputs), caveats(inputs))


def render(inputs: ReportInputs, page: Page | None = None) -> str:
    """One self-contained HTML page, by default that of the study; the same inputs give the same bytes."""
    page = page or study_page(inputs)
    environment = Environment(
        loader=PackageLoader("headreuse.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": packed_figure, "table": packed_table, "choices": choices_of}
    environment.globals["control_label"] = _control_label
    built = [(section, [_in_runs(inputs, exhibit) for exhibit in section.build(inputs)]) for section in page.sections]
    metrics: list[str] = inputs.overlap["metric"].unique().tolist() if len(inputs.overlap) else []
    statistics: list[str] = inputs.correlation["statistic"].unique().tolist() if len(inputs.correlation) else []
    return environment.get_template("report.html").render(
        inputs=inputs,
        asked=asked(inputs),
        kicker=subject(inputs.study),
        measured="Measured" if all(is_given(group) for group in inputs.study.groups) else "Trained",
        runs=_runs(inputs),
        answer=page.answer,
        caveats=page.caveats,
        overview=overview(inputs),
        sections=built,
        glossary=glossary(metrics, statistics),
        settings=_settings(inputs),
        raw_study=_raw_study(inputs),
        theme=packed(to_json_plotly({"theme": THEME, "dark": DARK})),
        plotly_js=packed(get_plotlyjs()),
        source=_source(environment),
    )


def _in_runs(inputs: ReportInputs, exhibit: Exhibit) -> Exhibit:
    return replace(exhibit, look=in_runs(inputs.study, exhibit.look))


def subject(study: Study) -> str:
    """What a page is about, above its title."""
    return "Head reuse" if study.question.transfer is None else "Head reuse and transfer" if (
        study.question.transfer not in OF_ACCURACY
    ) else "Head reuse and length transfer"  # fmt: skip


def _runs(inputs: ReportInputs) -> tuple[str, str]:
    """The seeds of a study, or the names of the runs that were measured."""
    if run_word(inputs.study) == "seed" or not len(inputs.checkpoints):
        return "Seeds", ", ".join(map(str, inputs.study.seeds))
    return "Runs", ", ".join(map(str, inputs.checkpoints["seed"].unique()))


def _source(environment: Environment) -> dict[str, Markup]:
    """The style sheet and the script of the page, which are part of the package and need no escaping."""
    assert environment.loader is not None
    return {name: Markup(environment.loader.get_source(environment, name)[0]) for name in ("report.css", "report.js")}


def _control_label(choice: Choice) -> str:
    if choice.name == "seed" and not any(value.isdigit() for value in choice.values):
        return "run"
    return {"step": "checkpoint (step)", "measure": "overlap measure"}.get(choice.name, choice.name.replace("_", " "))


def _settings(inputs: ReportInputs) -> list[tuple[str, str]]:
    """Every setting with its place in the study file, after the study's label where there are several."""
    studies = inputs.studies or {"": inputs.study}
    shown = {label: study.model_dump(mode="json", exclude=TEXTS) for label, study in studies.items()}
    return [entry for label, study in shown.items() for entry in _flat(study, label)]


def _raw_study(inputs: ReportInputs) -> str:
    if not inputs.studies:
        return inputs.study.model_dump_json(indent=2, exclude=LONG_TEXTS)
    dumped = {label: study.model_dump(mode="json", exclude=LONG_TEXTS) for label, study in inputs.studies.items()}
    return json.dumps(dumped, indent=2)


def _flat(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{place}.{name}" if place else name)
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{place}[{index}]")
    elif value is not None:
        yield place, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
