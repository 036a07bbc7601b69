"""The page of measured error rates, ``docs/power.md``: Markdown from what ``mnistlab power`` measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mnistlab.artifact import MARGIN, most_newly_wrong, pass_rate
from mnistlab.commands import BUDGET
from mnistlab.margins import DEFAULT
from mnistlab.rates import Rates, found_at
from mnistlab.stats import wilson

TARGETS = (
    (DEFAULT, 16, 0.001, "margin 0.10, 8 to 16 seeds"),
    (DEFAULT, 32, 0.001, "margin 0.10, 8 to 32 seeds (the default)"),
    (0.0005, 64, 0.01, "margin 0.05, at most 64 seeds, about 60 s"),
    (0.0005, 128, 0.01, "margin 0.05, at most 128 seeds, about 130 s"),
)
"""Margin, most seeds, false alarms that were allowed, words."""
IMAGES = 10_000
MOVED = (0, 20, 50, 100, 200, 300)
SECONDS = 1.0
"""Of one training on two cores of the machine that the pools are from; see benchmarks/training.py."""
HEAD = """# What the gates find, and how often they err

Made by `mnistlab power` from `benchmarks/pools-mnist.json`: {healthy} healthy trainings and {weakened} or more of each
weakened recipe. Each rate is a share of simulated gates: {gates} where it is rare (false alarms and misses), a fifth of
that elsewhere. A gate draws its seeds, and those of a baseline of {baseline} seeds, from these trainings with
replacement. Intervals are 95 % Wilson intervals: they know the number of simulated gates, not that of the trainings
behind them. "Found" is every run that does not pass, whether FAILED or UNDECIDED; both fail CI.

![Probability to be found against the true drop](power.png)
"""
NOT_REACHED = """
No other looks would reach what is not reached: one look alone, after the last seed, with all that may be spent and the
accuracy of the averaged weights as the only metric, leaves healthy recipes undecided: {one}. Nor would it help to train
the accepted seeds again and pair them: between the recipe and it with 1 % wrong labels, or with 95 % of the data, the
averaged accuracies of 32 equal seeds correlate by 0.17 and 0.26 (95 % intervals -0.19 to 0.49 and -0.09 to 0.56), and
pairing pays from 0.46 on.
"""
FILES = """The gate on a file

One file against the accepted predictions, margin {margin:.2f} points, exact for {images} images. Images that only one
of the two reads right have moved; those of an equally good file move either way alike.
"""
DIGITS_OF_FILES = """
A digit fails by McNemar's test with Holm's correction, 1 % for all: from 10 newly wrong images on, if none is newly
right. What moves between two files is taken from {pairs} pairs of real trainings, {moved:.0f} images on average. Moved
either way alike, they fail a digit of an equally good file in {good} of the pairs. How often a digit that lost recall
is named, mean over the digits (least to most):
"""
RETRAINED = """
It is for files only. McNemar's test at 1 % calls {alarms:.1f} % of healthy retrainings worse, and {digits} of them fail
a digit: it knows the noise of the images, not that of training.
"""


def page(found: Mapping[str, Rates], complete: Sequence[Mapping[str, Any]]) -> str:
    """Write the page: dataset -> what was measured (``"mnist"``, and others), and the rows of the complete gates."""
    mnist = found["mnist"]
    gates, others = mnist["gates"], mnist["others"]
    default = next(gate for gate in gates if (gate["margin"], gate["budget"]) == (DEFAULT, BUDGET))
    healthy, *weakened = default["recipes"]
    least = min(recipe["seeds"] for recipe in weakened)
    count = {"gates": default["gates"], "baseline": default["baseline_seeds"]}
    sections = [
        HEAD.format(healthy=healthy["seeds"], weakened=least, **count),
        _targets(gates),
        f"The recipe gate\n\n{_gates(gates)}\nA training takes {SECONDS:.1f} s on two cores.\n",
        _side_by_side(default, others),
        *([_complete(complete)] if complete else []),
        _smallest(mnist["smallest"]),
        f"Misses, metric by metric\n\n{_misses(default)}",
        _files(mnist),
        *(_small(name, each) for name, each in found.items() if name != "mnist"),
    ]
    return "\n## ".join(sections)


def _table(head: str, rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the head's columns are divided by ``|``."""
    lines = [f"| {' | '.join(row)} |\n" for row in rows]
    return f"| {head} |\n|{'---|' * (head.count('|') + 1)}\n{''.join(lines)}"


def _targets(gates: Sequence[Rates]) -> str:
    """Hold what was wanted against what was measured."""
    rows, one = [], []
    for *setting, alarms, text in TARGETS:
        gate = next(gate for gate in gates if [gate["margin"], gate["budget"]] == setting)
        reached = (
            ("a healthy recipe passes not", gate["recipes"][0]["not passed"][0], alarms),
            ("a drop of one margin passes", next(iter(gate["miss"].values()))[0], 0.01),
            ("a drop of two margins passes", 1 - found_at(gate, 2 * gate["margin"]), 0.01),
        )
        for what, got, most in reached:
            answer = "yes" if got <= most else "**no**"
            rows.append((text, f"{what}: at most {100 * most:g} %", f"{100 * got:.2g} %", answer))
        if reached[0][1] > alarms:
            twice = f"{_percent(gate['one look, twice'])} against twice as many accepted seeds"
            one.append(f"{_percent(gate['one look'])} with {gate['budget']} seeds, {twice}")
    table = _table("gate | wanted | measured | reached", rows)
    return f"What was to be reached\n\n{table}{NOT_REACHED.format(one='; '.join(one)) if one else ''}"


def _gates(gates: Sequence[Rates]) -> str:
    rows = []
    for gate in gates:
        healthy, miss = gate["recipes"][0], next(iter(gate["miss"].values()))
        shares = (healthy["not passed"], gate["committed"], gate["other seeds"], miss)
        twice = f"{100 * found_at(gate, 2 * gate['margin']):.1f} %"
        setting = f"{100 * gate['margin']:.2f}", str(gate["budget"])
        rows.append((*setting, *map(_percent, shares), twice, f"{healthy['mean seeds']:.1f}"))
    return (
        "Healthy: all metrics of the gate, so any of them may raise the alarm. Miss: the accuracy of the averaged "
        "weights is worse by exactly the margin, and passes at any look. A baseline is one draw itself: the third "
        "column is the mean over such draws; the fourth holds all healthy trainings against the one in use; the fifth "
        "draws both from the accepted trainings instead, on which no level was chosen.\n\n"
    ) + _table(
        "margin, points | most seeds | healthy not passed | the same, baseline in use | the same, accepted seeds alone "
        "| a drop of one margin passes | of two margins found | mean seeds, healthy",
        rows,
    )


def _recipes(gate: Rates, others: Rates) -> list[tuple[str, ...]]:
    healthy, rows = gate["recipes"][0], []
    for recipe in gate["recipes"]:
        drops = [100 * (healthy[key] - recipe[key]) for key in ("averaged accuracy", "final accuracy")]
        beside = [other["recipes"][recipe["name"]] for other in others.values()]
        seen = f"{recipe['mean seeds']:.0f}", ", ".join(recipe["seen by"]) or "-"
        shown = f"{drops[0]:+.3f}", f"{drops[1]:+.3f}", _percent(recipe["not passed"]), *seen
        rows.append((recipe["name"], *shown, *map(_percent, beside)))
    return rows


RECIPES = (
    "recipe | drop, averaged | drop, final | this gate | its seeds | mostly seen by | {} | McNemar | final weights"
)


def _side_by_side(gate: Rates, others: Rates) -> str:
    lost = [each["name"] for each in gate["recipes"][1:] if each["not passed"][0] < 0.5]
    return (
        "Real recipes, side by side\n\n"
        f"The gate's margin is {100 * gate['margin']:.2f} points, its budget {gate['budget']} seeds. The others: one "
        "seed and accuracy >= 97 %; McNemar's exact test at 1 % between one training and one accepted training; the "
        "gate on the accuracy of the final weights alone with the same margin and budget.\n\n"
        f"{_table(RECIPES.format('>= 97 %'), _recipes(gate, others))}\n"
        f"Weakened recipes that mostly pass: {', '.join(lost) or 'none'}.\n"
    )


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
    return (
        "Complete gates on fresh seeds\n\n"
        "Trained in full (`benchmarks/gates.py`), as in a run, against the accepted baseline, with seeds that neither "
        f"it nor the pools have; margin {100 * rows[0]['margin']:.2f} points, at most {rows[0]['budget']} seeds. The "
        "95 % intervals are of independent gates.\n\n"
    ) + _table("recipe | gates | PASSED | FAILED | UNDECIDED | not passed | mean seeds", table)


def _smallest(found: Sequence[Mapping[str, float]]) -> str:
    rows = [
        (
            *(f"{each['budget']}", f"{SECONDS * each['budget']:.0f}", f"{SECONDS * each['mean seeds']:.0f}"),
            *(f"{100 * each['margin']:.3f}", f"{100 * each['drop']:.3f}", f"{each['planned']}"),
        )
        for each in found
    ]
    return (
        "The smallest drop that is found\n\nOf the accuracy of the averaged weights alone: the least margin that 99 % "
        "of healthy recipes keep to, and the least drop that is then found with a probability of 95 %. Beside it, how "
        "many seeds `stats.seeds_needed` plans for that margin with one look, by normal theory.\n\n"
    ) + _table(
        "most seeds | most seconds | mean seconds, healthy | margin, points | drop found, points | planned, one look",
        rows,
    )


def _misses(gate: Rates) -> str:
    columns = [gate[key] for key in ("miss", "miss, other seeds", "miss, all seeds")]
    rows = [(name, *(_percent(column[name]) for column in columns)) for name in gate["miss"]]
    table = _table("metric | passes | accepted seeds alone | all together", rows)
    beyond = [[name for name, each in column.items() if each[0] > 0.01] for column in columns[1:]]
    alone, together = (", ".join(names) or "none" for names in beyond)
    return (
        "Every healthy training made worse by exactly the metric's margin: how often it passes, at any look. The "
        "trainings are not normally distributed, so what is spent is less than 1 % (`mnistlab/margins.py`); it was "
        "chosen on the pool. The third column makes the accepted trainings worse instead, on which nothing was "
        f"chosen, and the last draws from both.\n\n{table}\nBeyond 1 % on the accepted seeds alone: {alone}; on all "
        f"together: {together}.\n"
    )


def _files(mnist: Rates) -> str:
    """Say what the gate on a file passes, exactly, and why it is for files only."""
    lost, rows = round(MARGIN * IMAGES), []
    for moved in MOVED:
        net = 2 * most_newly_wrong(moved, IMAGES, MARGIN) - moved
        shares = (pass_rate(moved, lost_too, IMAGES, MARGIN) for lost_too in (0, lost))
        rows.append((str(moved), f"{net} ({net / IMAGES * 100:+.2f})", *(f"{100 * share:.4g} %" for share in shares)))
    table = _table(
        "images that moved | greatest net loss that passes, images (points) | an equally good file passes "
        f"| one that lost {lost} images beside",
        rows,
    )
    files = mnist["files"]
    digits = _table(
        "recall lost, points | the file is otherwise the accepted one | it moved as many other images as a retraining",
        ((f"{100 * each['lost']:g}", _span(each["same"]), _span(each["otherwise"])) for each in files["named"]),
    )
    told = DIGITS_OF_FILES.format(pairs=files["pairs"], moved=files["moved"], good=_percent(files["equally good"]))
    alarms = 100 * mnist["others"]["McNemar"]["recipes"]["healthy"][0]
    head = FILES.format(margin=100 * MARGIN, images=IMAGES)
    why = RETRAINED.format(alarms=alarms, digits=_percent(files["retrained"]))
    return f"{head}\n{table}{told}\n{digits}{why}"


def _small(name: str, found: Rates) -> str:
    """Give the rates of another dataset's recipe gate."""
    *_, default = found["gates"]
    return (
        f"The gate on the {name}\n\nFrom `benchmarks/pools-{name}.json`: {default['recipes'][0]['seeds']} healthy "
        f"trainings, {min(recipe['seeds'] for recipe in default['recipes'])} or more of each weakened recipe. "
        f"{_gates(found['gates'])}\n{_table(RECIPES.format('spec'), _recipes(default, found['others']))}\n"
        f"{_misses(default)}"
    )


def _span(found: Sequence[float]) -> str:
    mean, least, most = (100 * value for value in found)
    return f"{mean:.3g} % ({least:.3g} to {most:.3g})"


def _percent(found: Sequence[float | None]) -> str:
    estimate, low, high = (None if value is None else 100 * value for value in found)
    interval = f" ({low:.3g} to {high:.3g})" if low is not None and high is not None else ""
    return "-" if estimate is None else f"{estimate:.3g} %{interval}"
