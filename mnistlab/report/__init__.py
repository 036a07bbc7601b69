"""What people see: the page, the terminal, figures, and files that are written whole."""

from mnistlab.report.files import check_writable, write_atomically
from mnistlab.report.page import STYLESHEET, escaped, render, row_cells, summary_html
from mnistlab.report.terminal import summary_text, table, write_summary

__all__ = [
    "STYLESHEET",
    "canvas",
    "check_writable",
    "escaped",
    "figures",
    "render",
    "row_cells",
    "summary_html",
    "summary_text",
    "table",
    "write_atomically",
    "write_summary",
]
