"""The page of the correlation report: every estimate with its interval, and what it rests on."""

from headreuse.report import clocks, estimates, heads, training
from headreuse.report.answer import answer
from headreuse.report.caveats import caveats, general_caveats
from headreuse.report.inputs import ReportInputs
from headreuse.report.page import Page
from headreuse.report.power import limits_of_power
from headreuse.report.sections import OF_TRANSFER, Section

CORRELATION_SECTIONS = (
    Section("estimates", "Estimates", "How does transfer go with overlap in each group?",
            "Every estimate with its interval.", estimates.forest),
    Section("transfer", "Points", "What do the estimates rest on?",
            "Related and control groups side by side.", training.correlation),
    Section("clocks", "Clocks", clocks.TITLE, clocks.ABOUT, clocks.learning),
    Section("bands", "Seeds", "Do overlap and transfer move together in all seeds?",
            "Medians over seeds with a band.", estimates.bands),
    Section("sharing", "Overlap", "Do two tasks need the same heads?", "How alike the tasks' head maps are within each "
            "model, compared with chance and with what their sampling noise allows.", heads.sharing),
    Section("functional", "Cross-ablation", "Does ablating one task's heads hurt the other?",
            "Related and control groups side by side.", estimates.specificity),
)  # fmt: skip


def correlation_page(inputs: ReportInputs) -> Page:
    """The page of one or several studies together."""
    if inputs.study.question.transfer is None:
        sections = [section for section in CORRELATION_SECTIONS if section.id not in (*OF_TRANSFER, "bands")]
        return Page(sections, answer(inputs), caveats(inputs))
    return Page(CORRELATION_SECTIONS, answer(inputs), [*limits_of_power(inputs), *general_caveats(inputs)])
