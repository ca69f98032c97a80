"""The report of a run: one static HTML file of what its folder holds."""

from orchestrator.report.data import RunData, read
from orchestrator.report.page import html, write

__all__ = ["RunData", "html", "read", "write"]
