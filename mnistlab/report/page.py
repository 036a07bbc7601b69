"""Verdicts -> page summary, table rows and terminal table: text only, no decisions."""

import html
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from mnistlab.requirement import Verdict, show, show_difference

WORDS = {
    "PASSED": "everything that the specification asks for was judged and holds",
    "FAILED": "something does not hold, or could not be decided; the reasons are below",
    "NOT RUN": "nothing failed, but not everything that the specification asks for was judged",
}
NOT_REQUIRED = "the spec does not ask for it; the page lists what was measured"
KEY_RESULT, KEY_GROUP = "test accuracy", "result"
GATES = "regression"
"""The group whose pictures come first: they decide whether a change may be merged."""


def escaped(value: Any) -> Any:
    """Escape every text in a value for HTML, however deep in lists and mappings."""
    if isinstance(value, str):
        return html.escape(value)
    if isinstance(value, Mapping):
        return {html.escape(str(key)): escaped(item) for key, item in value.items()}
    return [escaped(item) for item in value] if isinstance(value, list | tuple) else value


def headline(summary: Mapping[str, Any]) -> str:
    """Say what the verdict means and what it is about, in one sentence; plain text."""
    subject, dataset = summary["subject"], summary["dataset"]
    if not subject or not dataset:
        return f"{WORDS[summary['verdict']]}."
    what = f"file {subject['file']}" if "file" in subject else f"pipeline {subject['name']}"
    return f"{WORDS[summary['verdict']]} ({what} on {dataset['name']}, seed {subject['seed']})."


def page(summary: Mapping[str, Any], pictures: Iterable[Mapping[str, str]]) -> str:
    """Write the top of the page: verdict, circumstances, what went wrong, pictures.

    Parameters
    ----------
    summary : mapping
        The content of ``verdict.json``. All text in it is escaped.
    pictures : iterable of mapping
        With title, caption, PNG in base64, and group; in the order of the page.

    Returns
    -------
    str
        HTML.
    """
    safe = escaped(summary)
    kind = safe["verdict"].lower().replace(" ", "-")
    parts = [
        f'<div class="verdict {kind}"><strong>{safe["verdict"]}</strong> {html.escape(headline(summary))}</div>'
    ]
    if safe["dataset"].get("note"):
        parts.append(
            f'<div class="banner">This is not a verdict on MNIST: {safe["dataset"]["note"]}</div>'
        )
    rows = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in _facts(safe))
    parts.append(f'<table class="facts">{rows}</table>')
    for status, title in (
        ("failed", "What failed"),
        ("undecided", "Undecided"),
        ("not run", "What was not judged"),
    ):
        found = [
            row["message"]
            for row in safe["requirements"]
            if row["status"] == status and row["asked"]
        ]
        parts.append(f"<h3>{title} ({len(found)})</h3>{_listed(found)}" if found else "")
    unasked = [row["message"] for row in safe["requirements"] if not row["asked"]]
    if unasked:
        parts.append(
            f"<details><summary>Not asked for by the spec ({len(unasked)})</summary>{_listed(unasked)}</details>"
        )
    for picture in sorted(map(escaped, pictures), key=lambda picture: picture["group"] != GATES):
        image = f'<img alt="{picture["title"]}" src="data:image/png;base64,{picture["png"]}"/>'
        parts.append(f"<figure>{image}<figcaption>{picture['caption']}</figcaption></figure>")
    parts.append(
        "<h3>Every test</h3><noscript>This table needs JavaScript; verdict.json says the same.</noscript>"
    )
    return f'<section class="mnistlab">{"".join(parts)}</section>'


def _listed(messages: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{message}</li>' for message in messages)}</ul>"


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a reader must know to trust the verdict, as pairs of name and text."""
    subject, dataset, seconds = (summary[key] for key in ("subject", "dataset", "seconds"))
    facts = []
    for row in summary["requirements"]:
        if row["name"] == KEY_RESULT:
            facts.append(("Result", row["message"]))
    facts += _gate_facts(summary)
    if subject:
        promised = (
            f", {show(subject['parameters'])} parameters promised" if subject["parameters"] else ""
        )
        file = f"file {subject['file']}, as " if "file" in subject else ""
        facts.append(("Subject", f"{file}pipeline «{subject['name']}»{promised}"))
        facts.append(("Seed", str(subject["seed"])))
    if dataset:
        facts.append(
            (
                "Data",
                f"{dataset['name']}, from {dataset['source']} (SHA-256 {dataset['sha256'][:12]}…)",
            )
        )
    counts = [row["status"] if row["asked"] else "not asked for" for row in summary["requirements"]]
    tally = ", ".join(f"{counts.count(status)} {status}" for status in dict.fromkeys(counts))
    facts.append(("Requirements", tally or "none"))
    facts.append(("Seconds", ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())))
    return facts


def row_cells(properties: Iterable[tuple[str, object]]) -> list[str]:
    """Return what one test measured, what was required, and the margin; the last verdict that it recorded counts."""
    found = [json.loads(str(value)) for key, value in properties if key == "mnistlab.verdict"]
    texts = ["", "", ""]
    if found and found[-1]["direction"] != "holds":
        row = found[-1]
        required = (
            f"{row['direction']} {show(row['bound'], row['unit'])}" if row["asked"] else "not asked"
        )
        margin = Verdict(**row).margin
        texts = [show(row["measured"], row["unit"]), required]
        texts.append("" if margin is None else show_difference(margin, row["unit"]))
    return [f"<td>{html.escape(text)}</td>" for text in texts]


def table(headings: Iterable[str], rows: Iterable[Iterable[str]], width: int | None) -> str:
    """Lay texts out as a table for a terminal of so many columns, or for this one; what is "measured" to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    laid = Table(box=None, pad_edge=False)
    for heading in headings:
        laid.add_column(
            heading, justify="right" if heading == "measured" else "left", overflow="fold"
        )
    for row in rows:
        laid.add_row(*(Text(text) for text in row))
    text = io.StringIO()
    Console(file=text, width=width, color_system=None).print(laid)
    return text.getvalue().rstrip()


def terminal_table(summary: Mapping[str, Any], width: int) -> str:
    """Lay the result and whatever did not pass out for a terminal; of all else the number.

    Parameters
    ----------
    summary : mapping
        The content of ``verdict.json``.
    width : int
        Columns of the terminal.

    Returns
    -------
    str
        Lines of text, without colours.
    """
    rows: list[tuple[str, ...]] = []
    others: Counter[str] = Counter()
    unjudged: dict[str, list[str]] = {}
    for row in summary["requirements"]:
        if row["status"] == "passed" and (row["group"] != KEY_GROUP or row["direction"] == "holds"):
            others[row["group"]] += 1
            continue
        if (
            row["status"] == "not run" and row["group"] != "run"
        ):  # why nothing ran at all, pytest says itself
            reason = row["message"].partition("not judged; ")[2] if row["asked"] else NOT_REQUIRED
            unjudged.setdefault(reason, []).append(row["name"])
            continue
        required = (
            ""
            if row["direction"] == "holds"
            else f"{row['direction']} {show(row['bound'], row['unit'])}"
        )
        measured = "" if row["measured"] is None else show(row["measured"], row["unit"])
        rows.append((row["name"], measured, required, row["status"]))
    lines = [table(("requirement", "measured", "required", "status"), rows, width)]
    for reason, names in unjudged.items():
        lines.append(
            f"not judged, {names[0] if len(names) == 1 else f'{len(names)} requirements'}: {reason}"
        )
    if others:
        counts = ", ".join(f"{group.replace('_', ' ')} {count}" for group, count in others.items())
        lines.append(f"also passed: {counts}")
    return "\n".join([*lines, *(f"{title}: {found}" for title, found in _gate_facts(summary))])


def _gate_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the gates found, and how often they err, as pairs of name and text."""
    names = {"recipe": "Recipe gate", "file": "File gate", "rates": "Its error rates"}
    return [
        (names[name], found["sentence"])
        for name, found in summary["gate"].items()
        if "sentence" in found
    ]
