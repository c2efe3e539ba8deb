"""One self-contained page about a study: what was asked, the answer with its numbers, every figure with its table."""

from headreuse.report.correlation_page import correlation_page
from headreuse.report.inputs import ReportInputs
from headreuse.report.markdown import markdown
from headreuse.report.page import render

__all__ = ["ReportInputs", "correlation_page", "markdown", "render"]
