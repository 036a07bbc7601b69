"""Tables and pictures of docs/statistics.md."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import f
from study_gates import (
    BUDGET,
    FEW_GATES,
    GATES,
    Study,
    below_97,
    gates,
    interval,
    mcnemar_rate,
    welch,
    worse_gates,
    worst_miss,
)
from weakened import HEALTHY, ONE_THREAD, RECIPES, STREAMED

from mnistlab.report import write_atomically
from mnistlab.report.canvas import BLUE, INK, ORANGE, RED, TEXT, axes_at, new_figure
from mnistlab.report.figures import png
from mnistlab.stats import wilson

DOCS = Path(__file__).parents[1] / "docs"
MARGINS = (0.001, 0.0005)
SHOWN = ("accuracy", "loss", "true-class probability")
DROPS = np.arange(13) / 5000
Decisions: TypeAlias = "dict[tuple[str, float], Decided]"


def as_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(count: int, total: int) -> str:
    """Show a share with its 95 % Wilson interval."""
    share = wilson(count, total)
    return f"{100 * share.estimate:.3g} % ({100 * share.low:.2g} to {100 * share.high:.2g})"


def span(mean: float, ends: tuple[float, float]) -> str:
    """Show a mean number of seeds with its interval."""
    return f"{mean:.1f} ({ends[0]:.1f} to {ends[1]:.1f})"


def matching(study: Study) -> str:
    """Tabulate the correlation of each training with the accepted one of the same seed."""
    repeats = study.accepted.repeats
    first = {key: study.accepted.columns[key][: len(repeats[key])] for key in repeats}
    pairs = {"repeats": (repeats, first)}
    pairs |= {name: (metrics, study.same(name)) for name, metrics in study.recipes.items()}
    rows = []
    for name, (new, same) in pairs.items():
        keys = [f"{weights} {metric}" for weights in ("averaged", "final") for metric in SHOWN]
        values = [np.corrcoef(new[key], same[key])[0, 1] for key in keys]
        rows.append([name, str(len(new["final loss"])), *(f"{value:.2f}" for value in values)])
    return as_table(["trainings", "n", *SHOWN, *(f"{metric}, final" for metric in SHOWN)], rows)


def averaging(study: Study) -> str:
    """Tabulate the noise of averaged and of final weights over the accepted seeds."""
    rows = []
    for metric in (*SHOWN, "worst recall"):
        final, averaged = (study.accepted.columns[f"{w} {metric}"] for w in ("final", "averaged"))
        ratio, freedom = averaged.std() / final.std(), len(final) - 1
        # The two are correlated, which makes this interval too wide rather than too narrow.
        factor = np.sqrt(f.isf(0.025, freedom, freedom))
        rows.append(
            [
                metric,
                *(f"{v.mean():.4f} (sd {v.std(ddof=1):.4f})" for v in (final, averaged)),
                f"{ratio:.2f} ({ratio / factor:.2f} to {ratio * factor:.2f})",
            ]
        )
    return as_table(["metric", "final weights", "averaged weights", "sd, averaged : final"], rows)


@dataclass(frozen=True)
class Decided:
    """What gates of one margin decide on one recipe: shares, and 95 % intervals over trainings."""

    passed: float
    failed: float
    seeds: float
    interval: dict[str, tuple[float, float]]


def decide(study: Study, name: str, margin: float) -> Decided:
    """Simulate gates against the accepted state in use."""
    plan = study.plan(margin)
    outcome = gates(study, name, plan, GATES)
    means = (float(each.mean()) for each in (outcome.passed, outcome.failed, outcome.seeds))
    return Decided(*means, interval(study, name, plan))


def recipes(study: Study, decided: Decisions) -> str:
    """Tabulate what gates decide on every recipe."""
    rows = []
    for name in RECIPES:
        new, same = study.recipes[name], study.same(name)
        drop = 100 * (same["averaged accuracy"] - new["averaged accuracy"]).mean()
        row = [name, str(len(new["final loss"])), f"{drop:+.3f}"]
        for margin in MARGINS:
            each = decided[name, margin]
            shares = each.passed, each.failed, 1 - each.passed - each.failed
            row += [" / ".join(f"{100 * share:.3g}" for share in shares)]
            row += [span(each.seeds, each.interval["seeds"])]
        rows.append(row)
    heads = [(f"P / F / U, % ({100 * m:.2f})", f"seeds ({100 * m:.2f})") for m in MARGINS]
    return as_table(["recipe", "n", "drop, points", *heads[0], *heads[1]], rows)


def reached(value: float, high: float, most: float) -> str:
    """Say whether a limit is kept: by the whole interval, by a part of it, or not."""
    return "yes" if high <= most else "**no**" if value > most else "open"


def targets(study: Study, decided: Decisions) -> str:
    """Tabulate what was to be reached, and what is."""
    wide, narrow = MARGINS
    count, slowest = len(study.seconds), max(study.seconds)
    text = f"2 seeds in {count} of {count} gates, {min(study.seconds):.1f} to {slowest:.1f} s"
    rows = [["unchanged", "PASSED after 2 seeds, 5 s", text, reached(slowest, slowest, 5)]]
    for name, margin, most in (
        (ONE_THREAD, wide, 6),
        (ONE_THREAD, narrow, 12),
        (STREAMED, wide, 12),
    ):
        each = decided[name, margin]
        ends = each.interval["seeds"]
        verdict = reached(each.seeds, ends[1], most)
        what = f"{name}, margin {100 * margin:.2f}"
        rows.append([what, f"at most {most} seeds", span(each.seeds, ends), verdict])
    plan = study.plan(wide)
    for name in HEALTHY:
        for baselines, which in ((1, "accepted seeds drawn"), (-1, "accepted state in use")):
            lost = int((~gates(study, name, plan, GATES, baselines).passed).sum())
            verdict = reached(lost / GATES, wilson(lost, GATES).high, 0.001)
            rows.append(
                [f"{name}, {which}", "not passed: at most 0.1 %", percent(lost, GATES), verdict]
            )
    for widen, most in ((1.0, 0.01), (2.0, 0.025)):
        for name in HEALTHY:
            lost, metric = worst_miss(study, name, plan, widen)
            verdict = reached(lost / FEW_GATES, wilson(lost, FEW_GATES).high, most)
            what = f"{name}, a loss of one margin{', spread doubled' if widen > 1 else ''}"
            text = f"{percent(lost, FEW_GATES)}: {metric}"
            rows.append([what, f"passes: at most {100 * most:g} %", text, verdict])
    for name in ("1 % wrong labels", "tanh", "batch 64", "75 % of the data"):
        each = decided[name, wide]
        text = f"{100 * each.failed:.4g} %; {span(each.seeds, each.interval['seeds'])} seeds"
        verdict = (
            reached(each.seeds, each.interval["seeds"][1], 8) if each.failed > 0.99 else "**no**"
        )
        rows.append([name, "FAILED, at most 8 seeds", text, verdict])
    each = decided["4 epochs", wide]
    low, high = each.interval["failed"]
    text = f"{100 * each.failed:.4g} % ({100 * low:.3g} to {100 * high:.3g}) FAILED"
    verdict = reached(1 - each.failed, 1 - low, 0.01)
    rows.append(["4 epochs", "FAILED, not UNDECIDED", text, verdict])
    return as_table(["candidate", "to reach", "measured", "reached"], rows)


def wider(study: Study) -> str:
    """Tabulate, by the candidate's spread, how often a loss of one margin passes."""
    plan, ratios = study.plan(MARGINS[0]), (1.0, 1.5, 2.0, 3.0)
    rows = []
    for name in HEALTHY:
        worst = [worst_miss(study, name, plan, ratio) for ratio in ratios]
        rows.append(
            [name, *(f"{100 * lost / FEW_GATES:.2g} %: {metric}" for lost, metric in worst)]
        )
    return as_table(["candidate", *(f"spread x {ratio:g}" for ratio in ratios)], rows)


def found_figure(study: Study) -> Figure:
    """Draw the probability to be found against the true drop."""
    figure = new_figure(
        "A drop of one margin is found 99 times of 100, whether seeds match or not", 330
    )
    axes = axes_at(figure, (70, 55, 600, 260), "True drop of accuracy (points)", "Not passed (%)")
    for margin, colour in zip(MARGINS, (BLUE, ORANGE), strict=True):
        plan = study.plan(margin)
        for name, line in ((ONE_THREAD, "o-"), (STREAMED, "s--")):
            found = [100 * (~worse_gates(study, name, plan, drop).passed).mean() for drop in DROPS]
            label = f"margin {100 * margin:.2f}, {name.removeprefix('healthy, ')}"
            axes.plot(100 * DROPS, found, line, color=colour, label=label, markersize=4)
        axes.axvline(100 * margin, color=colour, linewidth=0.8)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, fontsize=10)
    return figure


def seeds_figure(decided: Decisions) -> Figure:
    """Draw the mean number of seeds by kind of change."""
    names = ["unchanged", *RECIPES]
    figure = new_figure(
        "Most changes are decided by 4 to 12 seeds (margin 0.10 points)", 32 * len(names) + 70
    )
    axes = axes_at(figure, (180, 55, 720, 32 * len(names)), "Trainings, mean over gates")
    axes.barh(0, 2, color=BLUE, height=0.6)
    for place, name in enumerate(RECIPES, start=1):
        each = decided[name, MARGINS[0]]
        ends = each.interval["seeds"]
        axes.barh(place, each.seeds, color=RED if each.failed > each.passed else BLUE, height=0.6)
        axes.plot(ends, (place, place), color=INK)
        axes.text(ends[1] + 0.3, place, f"{each.seeds:.1f}", va="center", fontsize=10, **TEXT)
    axes.text(2.3, 0, "2", va="center", fontsize=10, **TEXT)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(0, BUDGET + 2), ylim=(len(names) - 0.4, -0.6))
    for colour, text, place in ((BLUE, "mostly PASSED", 0.72), (RED, "mostly FAILED", 0.86)):
        axes.text(
            place, 0.04, text, transform=axes.transAxes, fontsize=10, **{**TEXT, "color": colour}
        )
    return figure


def peers_figure(study: Study, decided: Decisions) -> Figure:
    """Draw how often each method calls a recipe worse, on the same trainings."""
    plan = study.plan(MARGINS[0])
    columns: dict[str, Callable[[str], float]] = {
        "this gate": lambda name: 1 - decided[name, MARGINS[0]].passed,
        "Welch's gate\nof before": lambda name: float((~welch(study, name, plan)[0]).mean()),
        "McNemar, 1 %,\ntwo trainings": lambda name: mcnemar_rate(study, name),
        "one training,\n97 % accuracy": lambda name: below_97(study, name),
    }
    shares = 100 * np.array([[rate(name) for rate in columns.values()] for name in RECIPES])
    body = 34 * len(RECIPES)
    figure = new_figure("How often a recipe does not pass (% of runs)", body + 60)
    axes = axes_at(figure, (180, 10, 700, body))
    axes.imshow(shares, "Blues", vmin=0, vmax=150, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        axes.text(column, row, f"{share:.3g}", ha="center", va="center", fontsize=11, **TEXT)
    axes.set_xticks(range(len(columns)), list(columns))
    axes.set_yticks(range(len(RECIPES)), list(RECIPES))
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    return figure


def write(study: Study) -> None:
    """Replace the tables of docs/statistics.md, and its three pictures."""
    decided = {(name, m): decide(study, name, m) for name in RECIPES for m in MARGINS}
    tables = {
        "targets": targets(study, decided),
        "recipes": recipes(study, decided),
        "wider": wider(study),
        "matching": matching(study),
        "averaging": averaging(study),
    }
    path = DOCS / "statistics.md"
    text = path.read_text("utf-8")
    for name, table in tables.items():
        text = replace_table(text, name, table)
    write_atomically(path, text)
    figures = {
        "found": found_figure(study),
        "seeds": seeds_figure(decided),
        "peers": peers_figure(study, decided),
    }
    for name, figure in figures.items():
        (DOCS / f"statistics-{name}.png").write_bytes(png(figure))


def replace_table(text: str, name: str, table: str) -> str:
    """Replace what stands between the two comments of a table's name."""
    head, start, rest = text.partition(f"<!-- {name} -->\n")
    _, end, tail = rest.partition(f"<!-- end of {name} -->")
    return f"{head}{start}{table}\n{end}{tail}"
