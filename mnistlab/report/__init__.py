"""What people see: the page, the terminal, figures, and files that are written whole."""

from mnistlab.report.files import check_writable, write_atomically
from mnistlab.report.page import row_cells, table
from mnistlab.report.templates import render

__all__ = [
    "canvas",
    "check_writable",
    "figures",
    "page",
    "render",
    "row_cells",
    "table",
    "write_atomically",
]
