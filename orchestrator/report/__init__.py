"""The report of a run: a static HTML file with the contents of the run's folder."""

from orchestrator.report.data import RunData, read
from orchestrator.report.page import html, write

__all__ = ["RunData", "html", "read", "write"]
