"""What a campaign writes: a page for people, JSON for programs, and Markdown with a picture for the docs."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from mnistlab.faults.catalogue import Entry
from mnistlab.record import write_atomically
from mnistlab.tally import Tally, is_caught_by, is_expected
from mnistlab.trial import Trial

Row = tuple[Entry, Trial]
LONGEST = 300
"""Characters of a message on the page; faults.json has all."""
STYLE = """
body { max-width: 1240px; margin: 0 auto; padding: 0 20px 40px; font: 14px/1.45 sans-serif; color: #333; }
table { border-collapse: collapse; }
.results th, .results td { text-align: left; vertical-align: top; padding: 4px 10px 4px 0;
                           border-bottom: 1px solid #ddd; font-size: 13px; overflow-wrap: anywhere; }
.results thead th, .results td:first-child, .results td.number { white-space: nowrap; }
.results td.number { text-align: right; }
.results tr.wrong { background: #fbe3da; }
.wide { overflow-x: auto; }
.matrix th { font-weight: normal; font-size: 11px; text-align: left; white-space: nowrap; padding: 0 6px 0 0; }
.matrix thead th.check { writing-mode: vertical-rl; transform: rotate(180deg); padding: 4px 0 0; vertical-align: top;
                         max-height: 340px; overflow: hidden; }
.matrix thead th.module { border-left: 2px solid #333; padding-left: 4px; font-weight: bold; }
.matrix td { width: 11px; min-width: 11px; height: 13px; border: 1px solid #fff; padding: 0; background: #ececec; }
.matrix td.failed { background: #0072b2; }
.matrix td.first { background: #d55e00; }
.matrix td.none { background: #fff; }
.key td { padding-right: 14px; }
"""


def write(tally: Tally, about: Mapping[str, str], folder: Path, docs: Path | None = None) -> Path:
    """Write page and JSON to a folder, and Markdown with a picture to another; each to the side first.

    Parameters
    ----------
    tally : Tally
    about : mapping
        What a reader must know of the campaign, name -> text.
    folder, docs : path

    Returns
    -------
    path
        Of the page.
    """
    found = {**tally.as_dict(), "about": dict(about)}
    write_atomically(folder / "faults.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    write_atomically(folder / "index.html", page(tally, about))
    if docs:
        from mnistlab.plots import png
        from mnistlab.plots_campaign import kill_matrix

        docs.mkdir(parents=True, exist_ok=True)
        write_atomically(docs / "faults.md", markdown(tally, about))
        (docs / "faults.png").write_bytes(png(kill_matrix(tally)))
    return folder / "index.html"


def page(tally: Tally, about: Mapping[str, str]) -> str:
    """Write the page; all text from outside is escaped."""
    kind, word = ("passed", "ALL CAUGHT") if tally.well else ("failed", "NOT ALL WELL")
    head, *lines = tally.sentences() or ["nothing was tried"]
    css = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    facts = "".join(
        f"<tr><th>{_safe(name.capitalize())}</th><td>{_safe(text)}</td></tr>" for name, text in about.items()
    )
    parts = [
        f'<div class="verdict {kind}"><strong>{word}</strong> {_safe(head)}</div>',
        f'<ul>{"".join(f"<li>{_safe(line)}</li>" for line in lines)}</ul><table class="facts">{facts}</table>',
        _section("Not caught", tally.survivors),
        _section("Healthy twins that did not pass", tally.wronged),
        _section("Caught first by another check than the expected one", tally.unexpected),
        "<h3>Who catches what</h3>",
        _matrix(tally),
        _section("Every fault", tally.faults),
        _section("Every healthy twin", tally.twins),
    ]
    title = "mnistlab: the suite against broken pipelines"
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{css}{STYLE}</style>'
        f'</head><body><h1>{title}</h1><section class="mnistlab">{"".join(parts)}</section></body></html>\n'
    )


def _section(title: str, rows: Sequence[Row]) -> str:
    """Write a table of entries with what became of them; nothing, if there are none."""
    if not rows:
        return ""
    heads = ("name", "how it happens", "expected", "caught first by", "message", "accuracy", "seconds")
    cells = "".join(f"<th>{head.capitalize()}</th>" for head in heads)
    return (
        f"<h3>{_safe(title)} ({len(rows)})</h3><table class='results'><thead><tr>{cells}</tr></thead><tbody>"
        f"{''.join(_row(entry, trial) for entry, trial in rows)}</tbody></table>"
    )


def _row(entry: Entry, trial: Trial) -> str:
    wrong = trial.status != ("caught" if entry.is_fault else "passed")
    first = f"{trial.first.partition('::')[0]}: {_claim(trial.first)}" if trial.first else trial.status
    same = entry.is_fault and trial.first and is_expected(entry, trial.first)
    expected = "the same" if same else _claim(entry.expected)
    how = f"{entry.how} ({entry.source})" if entry.source else entry.how
    texts = (entry.name, how, expected, first, trial.message[:LONGEST])
    numbers = ("" if trial.accuracy is None else f"{100 * trial.accuracy:.2f} %", f"{trial.seconds:.1f}")
    cells = [f"<td>{_safe(text)}</td>" for text in texts] + [f'<td class="number">{text}</td>' for text in numbers]
    return f"<tr{' class=wrong' if wrong else ''}>{''.join(cells)}</tr>"


def _matrix(tally: Tally) -> str:
    """Write fault by check, of the checks that failed at all; the others are listed."""
    rows = tally.faults + tally.twins
    checks = [check for check in tally.checks if any(is_caught_by(trial, check) for _, trial in rows)]
    silent = [check for check in tally.checks if check not in checks]
    modules = "".join(
        f'<th class="module" colspan="{len(list(group))}">{_safe(module.replace("_", " "))}</th>'
        for module, group in groupby(checks, lambda check: check.partition("::")[0])
    )
    heads = "".join(f'<th class="check">{_safe(_claim(check))}</th>' for check in checks)
    body = "".join(f"<tr><th>{_safe(entry.name)}</th>{_cells(entry, trial, checks)}</tr>" for entry, trial in rows)
    key = (
        '<table class="matrix key"><tr><td class="first"></td><th>failed first</th><td class="failed"></td>'
        '<th>failed too</th><td></td><th>passed</th><td class="none"></td><th>did not run</th></tr></table>'
    )
    others = "".join(f"<li>{_safe(check)}</li>" for check in silent)
    quiet = (
        f"<details><summary>{len(silent)} checks failed nowhere</summary><ul>{others}</ul></details>" if silent else ""
    )
    return (
        f'{key}<div class="wide"><table class="matrix"><thead><tr><th></th>{modules}</tr><tr><th></th>{heads}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>{quiet}"
    )


def _cells(entry: Entry, trial: Trial, checks: Iterable[str]) -> str:
    cells = []
    for check in checks:
        status = trial.checks.get(check, "not run")
        kind = "first" if check == trial.first else {"passed": "", "not run": "none"}.get(status, "failed")
        title = _safe(f"{entry.name}: {_claim(check)}: {status}")
        cells.append(f'<td class="{kind}" title="{title}"></td>')
    return "".join(cells)


def _claim(check: str) -> str:
    return check.rpartition("::")[2].removeprefix("test_").replace("_", " ")


def markdown(tally: Tally, about: Mapping[str, str]) -> str:
    """Write the docs' page."""
    lines = ["# The suite against broken pipelines", "", "Made by `mnistlab faults`.", ""]
    lines += [f"- {line}" for line in tally.sentences()]
    lines += [f"- {name}: {text}" for name, text in about.items()]
    lines += ["", "![Fault by check: who catches what](faults.png)", ""]
    lines += ["| fault | how it happens | source | caught first by | as expected | accuracy | seconds |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for entry, trial in tally.faults:
        expected = "yes" if is_expected(entry, trial.first) else f"no: `{entry.expected}`"
        first = f"`{trial.first}`" if trial.first else f"**{trial.status}**"
        lines.append(_markdown_row(entry.name, entry.how, entry.source, first, expected, *_numbers(trial)))
    lines += [
        "",
        "Healthy twins, which must pass:",
        "",
        "| twin | what differs | | accuracy | seconds |",
        "|---|---|---|---|---|",
    ]
    for entry, trial in tally.twins:
        status = "passed" if trial.status == "passed" else f"**{trial.status}** `{trial.first}`"
        lines.append(_markdown_row(entry.name, entry.how, status, *_numbers(trial)))
    return "\n".join([*lines, ""])


def _numbers(trial: Trial) -> tuple[str, str]:
    return "" if trial.accuracy is None else f"{100 * trial.accuracy:.2f} %", f"{trial.seconds:.1f}"


def _markdown_row(*cells: str) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', '/') for cell in cells)} |"


def _safe(text: str) -> str:
    return html.escape(text)
