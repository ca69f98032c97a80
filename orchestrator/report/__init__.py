"""The report of a run: an HTML page with the contents of the run's folder, and the episodes beside it."""

from orchestrator.report.data import RunData, read
from orchestrator.report.page import html
from orchestrator.report.writing import RunReport, write

__all__ = ["RunData", "RunReport", "html", "read", "write"]
