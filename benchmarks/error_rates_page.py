"""The page of measured error rates, ``docs/power.md``: the tables that `error_rates_page.md` has places for."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mnistlab.gate.error_rates import Rates, found_at
from mnistlab.gate.margins import DEFAULT
from mnistlab.gate.paired import MARGIN, most_newly_wrong, pass_rate
from mnistlab.options import BUDGET
from mnistlab.stats import wilson

SECONDS = 1.7
"""Of a further seed of a gate, on two cores."""
SOURCE = "README.md, how fast it trains, on two cores"
TIGHT = (0.0005, 128)
TARGETS = ((DEFAULT, 16, 0.001), (DEFAULT, BUDGET, 0.001), (0.0005, 64, 0.01), (*TIGHT, 0.01))
"""Margin, most seeds, false alarms that were allowed."""
MISSED = 0.01
IMAGES = 10_000
MOVED = (0, 20, 50, 100, 200, 300)
GATES = (
    "margin, points | most seeds | accepted seeds | healthy not passed | the same, baseline in use "
    "| the same, accepted seeds alone | a drop of one margin passes | of two margins found | mean seeds, healthy"
)
SMALL = """
## The gate on the {name}

From `benchmarks/pools-{name}.json`: {healthy} healthy trainings, {weakened} or more of each weakened recipe. The
columns are those of the tables above.

{gates}
{recipes}
{misses}"""


def page(found: Mapping[str, Rates], complete: Sequence[Mapping[str, Any]]) -> str:
    """Write the page: dataset -> what was measured (``"mnist"``, and others), and the rows of the complete gates."""
    mnist, template = (
        found["mnist"],
        Path(__file__).with_name("error_rates_page.md").read_text(encoding="utf-8"),
    )
    gates, others = mnist["gates"], mnist["others"]
    default = _gate(gates, DEFAULT, BUDGET)
    recipes = default["recipes"]
    targets, one = _targets(gates)
    values = {
        "gate": default,
        "again": default["resamples"],
        "healthy": recipes[0]["seeds"],
        "weakened": min(recipe["seeds"] for recipe in recipes[1:]),
        "margin": 100 * default["margin"],
        "seconds": SECONDS,
        "source": SOURCE,
        "minute": 60 / SECONDS,
        "targets": targets,
        "one": one or "none",
        "resampled": _resampled(gates),
        "recipe_gates": _gates(gates),
        "curves": _curves(default, _gate(gates, *TIGHT), others),
        "recipes": _recipes(default, others, ">= 97 %"),
        "lost": ", ".join(each["name"] for each in recipes[1:] if each["not passed"][0] < 0.5)
        or "none",
        "complete": _complete(complete),
        "earlier": sum(row.get("plan") != default["plan"] for row in complete),
        "smallest": _smallest(mnist["smallest"]),
        "misses": _misses(default),
        **_files(mnist),
    }
    return template.format_map(values) + "".join(
        _small(name, each) for name, each in found.items() if name != "mnist"
    )


def _gate(gates: Sequence[Rates], margin: float, budget: int) -> Rates:
    """Find a gate against the baseline in use, which stands first."""
    return next(gate for gate in gates if (gate["margin"], gate["budget"]) == (margin, budget))


def _table(head: str, rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the head's columns are divided by ``|``."""
    lines = [f"| {' | '.join(row)} |\n" for row in rows]
    return f"| {head} |\n|{'---|' * (head.count('|') + 1)}\n{''.join(lines)}"


def _targets(gates: Sequence[Rates]) -> tuple[str, str]:
    """Hold what was wanted against what was measured; return that, and what one look would leave undecided."""
    rows, one = [], []
    for margin, budget, alarms in TARGETS:
        gate = _gate(gates, margin, budget)
        again = gate["resampled"]
        drawn, used = again[0], again[2] if len(again) > 2 else None
        reached = [
            (
                "a healthy recipe passes not",
                gate["recipes"][0]["not passed"][0],
                drawn["not passed"],
                alarms,
            )
        ]
        if used:
            reached += [
                ("the same, baseline in use", gate["committed"][0], used["not passed"], alarms)
            ]
        found = 1 - found_at(gate, 2 * margin)
        reached += [("a drop of one margin passes", _miss(gate)[0], drawn["miss"], MISSED)]
        reached += [("a drop of two margins passes", found, None, MISSED)]
        setting = f"margin {100 * margin:.2f}, at most {budget} seeds, {SECONDS * budget:.0f} s"
        for what, got, others, most in reached:
            shown = "-" if others is None else f"{100 * others[1]:.2g} to {100 * others[2]:.2g} %"
            answer = _answer([got] if others is None else [got, *others[1:]], most)
            rows.append(
                (setting, f"{what}: at most {100 * most:g} %", f"{100 * got:.2g} %", shown, answer)
            )
        if reached[0][1] > alarms:
            twice = f"{_percent(gate['one look, twice'])} against twice as many accepted seeds"
            one.append(f"{_percent(gate['one look'])} with {budget} seeds, {twice}")
    return _table("gate | wanted | measured | with other trainings | reached", rows), "; ".join(one)


def _answer(rates: Sequence[float], most: float) -> str:
    keeps = [rate <= most for rate in rates]
    return "yes" if all(keeps) else "open" if any(keeps) else "**no**"


def _miss(gate: Rates) -> Sequence[float]:
    return next(iter(gate["miss"].values()))


def _resampled(gates: Sequence[Rates]) -> str:
    words = ("pool, drawn", "pool and accepted, drawn", "pool, in use", "pool and accepted, in use")
    rows = []
    for gate in gates:
        setting = f"{100 * gate['margin']:.2f}", str(gate["budget"]), str(gate["baseline_seeds"])
        for text, each in zip(words, gate["resampled"], strict=False):
            rows.append((*setting, text, _percent(each["not passed"]), _percent(each["miss"])))
    head = "margin, points | most seeds | accepted seeds | trainings of candidates, baseline"
    return _table(f"{head} | healthy not passed | a drop of one margin passes", rows)


def _gates(gates: Sequence[Rates]) -> str:
    rows = []
    for gate in gates:
        healthy = gate["recipes"][0]
        shares = (
            healthy["not passed"],
            gate["committed"] or [None] * 3,
            gate["other seeds"],
            _miss(gate),
        )
        twice = f"{100 * found_at(gate, 2 * gate['margin']):.1f} %"
        setting = f"{100 * gate['margin']:.2f}", str(gate["budget"]), str(gate["baseline_seeds"])
        rows.append((*setting, *map(_percent, shares), twice, f"{healthy['mean seeds']:.1f}"))
    return _table(GATES, rows)


def _curves(default: Rates, tight: Rates, others: Mapping[str, Rates]) -> str:
    arms = {
        f"margin {100 * gate['margin']:.2f}, {gate['budget']} seeds": gate
        for gate in (default, tight)
    }
    arms |= {
        "one seed, >= 97 %" if name == "threshold" else name: each for name, each in others.items()
    }
    drops = default["drops"][::2]
    rows = [
        [f"{100 * d:.2f}", *(f"{100 * found_at(arm, d):.3g} %" for arm in arms.values())]
        for d in drops
    ]
    return _table(f"true drop, points | {' | '.join(arms)}", rows)


def _recipes(gate: Rates, others: Rates, threshold: str) -> str:
    healthy, rows = gate["recipes"][0], []
    for recipe in gate["recipes"]:
        drops = [
            100 * (healthy[key] - recipe[key]) for key in ("averaged accuracy", "final accuracy")
        ]
        beside = [other["recipes"][recipe["name"]] for other in others.values()]
        seen = f"{recipe['mean seeds']:.0f}", ", ".join(recipe["seen by"]) or "-"
        shown = f"{drops[0]:+.3f}", f"{drops[1]:+.3f}", _percent(recipe["not passed"]), *seen
        rows.append((recipe["name"], *shown, *map(_percent, beside)))
    head = "recipe | drop, averaged | drop, final | this gate | its seeds | mostly seen by"
    return _table(f"{head} | {threshold} | McNemar | final weights", rows)


def _complete(rows: Sequence[Mapping[str, Any]]) -> str:
    """Count complete gates, trained and not drawn."""
    table = []
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        these = [row for row in rows if row["recipe"] == recipe]
        counts = Counter(row["decision"] for row in these)
        share = wilson(len(these) - counts["PASSED"], len(these))
        interval = _percent((share.estimate, share.low, share.high))
        decisions = [str(counts[each]) for each in ("PASSED", "FAILED", "UNDECIDED")]
        mean = sum(row["seeds"] for row in these) / len(these)
        table.append((recipe, str(len(these)), *decisions, interval, f"{mean:.1f}"))
    return _table("recipe | gates | PASSED | FAILED | UNDECIDED | not passed | mean seeds", table)


def _smallest(found: Sequence[Mapping[str, float]]) -> str:
    rows = [
        (
            *(
                f"{each['budget']}",
                f"{SECONDS * each['budget']:.0f}",
                f"{SECONDS * each['mean seeds']:.0f}",
            ),
            *(f"{100 * each['margin']:.3f}", f"{100 * each['drop']:.3f}", f"{each['planned']}"),
        )
        for each in found
    ]
    head = "most seeds | most seconds | mean seconds, healthy | margin, points | drop found, points | planned, one look"
    return _table(head, rows)


def _misses(gate: Rates) -> str:
    columns = [gate[key] for key in ("miss", "miss, other seeds", "miss, all seeds")]
    rows = [(name, *(_percent(column[name]) for column in columns)) for name in gate["miss"]]
    most = max(each[0] for column in columns for each in column.values())
    table = _table("metric | passes | accepted seeds alone | all together", rows)
    return f"{table}\nThe most of all: {100 * most:.2f} %.\n"


def _files(mnist: Rates) -> dict[str, Any]:
    """Say what the gate on a file passes, exactly, and why it is for files only."""
    files, lost, rows = mnist["files"], round(MARGIN * IMAGES), []
    for moved in MOVED:
        net = 2 * most_newly_wrong(moved, IMAGES, MARGIN) - moved
        shares = (pass_rate(moved, lost_too, IMAGES, MARGIN) for lost_too in (0, lost))
        rows.append(
            (
                str(moved),
                f"{net} ({net / IMAGES * 100:+.2f})",
                *(f"{100 * share:.4g} %" for share in shares),
            )
        )
    head = "images that moved | greatest net loss that passes, images (points) | an equally good file passes"
    named = "recall lost, points | the file is otherwise the accepted one | it moved as many other images as a retraining"
    return {
        "file_margin": 100 * MARGIN,
        "images": IMAGES,
        "files": _table(f"{head} | one that lost {lost} images beside", rows),
        "moved": files,
        "good": _percent(files["equally good"]),
        "named": _table(
            named,
            (
                (f"{100 * e['lost']:g}", _span(e["same"]), _span(e["otherwise"]))
                for e in files["named"]
            ),
        ),
        "alarms": _percent(mnist["others"]["McNemar"]["recipes"]["healthy"]),
        "retrained": _percent(files["retrained"]),
    }


def _small(name: str, found: Rates) -> str:
    """Give the rates of another dataset's recipe gate."""
    gate = next(gate for gate in found["gates"] if gate["budget"] == BUDGET)
    return SMALL.format(
        name=name,
        healthy=gate["recipes"][0]["seeds"],
        weakened=min(recipe["seeds"] for recipe in gate["recipes"]),
        gates=_gates(found["gates"]),
        recipes=_recipes(gate, found["others"], "spec"),
        misses=_misses(gate),
    )


def _span(found: Sequence[float]) -> str:
    mean, least, most = (100 * value for value in found)
    return f"{mean:.3g} % ({least:.3g} to {most:.3g})"


def _percent(found: Sequence[float | None]) -> str:
    estimate, low, high = (None if value is None else 100 * value for value in found)
    interval = f" ({low:.3g} to {high:.3g})" if low is not None and high is not None else ""
    return "-" if estimate is None else f"{estimate:.3g} %{interval}"
