"""The summary of a run, and other tables, for a terminal."""

import io
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from mnistlab.report.page import data_note, diagnosis_lines, gate_facts, headline, row_cells

NOT_REQUIRED = "neither the spec nor the accepted state requires it; the page says why"


def table(headings: Iterable[str], rows: Iterable[Iterable[str]], width: int | None) -> str:
    """Lay out texts as a table of at most `width` columns; None takes the terminal's width."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    layout = Table(box=None, pad_edge=False)
    for heading in headings:
        side: Literal["left", "right"] = "right" if heading == "measured" else "left"
        layout.add_column(heading, justify=side, overflow="fold")
    for row in rows:
        layout.add_row(*map(Text, row))
    text = io.StringIO()
    Console(file=text, width=width, color_system=None).print(layout)
    return text.getvalue().rstrip()


def write_summary(summary: Mapping[str, Any], reporter: Any) -> None:
    """Write the content of ``verdict.json`` to pytest's terminal reporter, the verdict last."""
    text, _, verdict = summary_text(summary, reporter._tw.fullwidth).rpartition("\n")
    colour = {"PASSED": "green", "FAILED": "red"}.get(summary["verdict"], "yellow")
    reporter.section("mnistlab")
    reporter.write_line(text)
    reporter.write_line(verdict, bold=True, **{colour: True})


def summary_text(summary: Mapping[str, Any], width: int = 100) -> str:
    """Write ``verdict.json`` as text: a table of results and misses, then the verdict in a line."""
    rows: list[tuple[str, str, str, str]] = []
    passed: Counter[str] = Counter()
    not_judged: dict[str, list[str]] = {}
    for row in summary["requirements"]:
        is_result = row["group"] == "result" and row["direction"] != "holds"
        if row["status"] == "passed" and not is_result:
            passed[row["group"].replace("_", " ")] += 1
        elif row["status"] == "not run" and row["group"] != "run":  # pytest says why a run stopped
            reason = row["message"].partition("not judged; ")[2]
            if not row["asked"] and not reason.startswith("new: "):
                reason = NOT_REQUIRED
            not_judged.setdefault(reason, []).append(row["name"])
        else:
            measured, required, _ = row_cells(row)
            rows.append((row["name"], measured, required, row["status"]))
    lines = [table(("requirement", "measured", "required", "status"), rows, width)]
    for reason, names in not_judged.items():
        what = names[0] if len(names) == 1 else f"{len(names)} requirements"
        lines.append(f"not judged, {what}: {reason}")
    if passed:
        counts = ", ".join(f"{group} {count}" for group, count in passed.items())
        lines.append(f"also passed: {counts}")
    lines += [f"{name}: {text}" for name, text in gate_facts(summary)]
    lines += diagnosis_lines(summary)
    lines += [note] if (note := data_note(summary)) else []
    return "\n".join([*lines, f"{summary['verdict']}: {headline(summary)}"])
