"""Tables of docs/statistics.md, and what writes them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import f
from study_figures import found_figure, peers_figure, seeds_figure
from study_gates import (
    FEW_GATES,
    GATES,
    MARGINS,
    Decided,
    Decisions,
    Study,
    decide,
    gates,
    worst_miss,
)
from weakened import HEALTHY, ONE_THREAD, RECIPES, STREAMED

from mnistlab.report import write_atomically
from mnistlab.report.figures import png
from mnistlab.stats import wilson

DOCS = Path(__file__).parents[1] / "docs"
SHOWN = ("accuracy", "loss", "true-class probability")


def as_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def reached(value: float, high: float, most: float) -> str:
    """Say whether a limit is kept: by the whole interval, by a part of it, or not."""
    return "yes" if high <= most else "**no**" if value > most else "open"


def rarely(count: int, total: int, most: float) -> tuple[str, str]:
    """Show a share with its 95 % Wilson interval, and whether it is at most so large."""
    share = wilson(count, total)
    text = f"{100 * share.estimate:.3g} % ({100 * share.low:.2g} to {100 * share.high:.2g})"
    return text, reached(share.estimate, share.high, most)


def seeds_needed(decided: Decided, most: float = np.inf) -> tuple[str, str]:
    """Show a mean number of seeds with its interval, and whether it is at most so large."""
    low, high = decided.interval["seeds"]
    return f"{decided.seeds:.1f} ({low:.1f} to {high:.1f})", reached(decided.seeds, high, most)


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
            row += [seeds_needed(each)[0]]
        rows.append(row)
    heads = [(f"P / F / U, % ({100 * m:.2f})", f"seeds ({100 * m:.2f})") for m in MARGINS]
    return as_table(["recipe", "n", "drop, points", *heads[0], *heads[1]], rows)


def targets(study: Study, decided: Decisions) -> str:
    """Tabulate what was to be reached, and what is."""
    wide, narrow = MARGINS
    plan = study.plan(wide)
    count, middle = len(study.seconds), float(np.median(study.seconds))
    text = f"2 seeds in {count} of {count} gates, median {middle:.1f} s "
    text += f"({min(study.seconds):.1f} to {max(study.seconds):.1f})"
    rows = [["unchanged", "PASSED after 2 seeds, 5 s", text, reached(middle, middle, 5)]]
    for name, margin, most in (
        (ONE_THREAD, wide, 6),
        (ONE_THREAD, narrow, 12),
        (STREAMED, wide, 12),
    ):
        each, what = decided[name, margin], f"{name}, margin {100 * margin:.2f}"
        seeds, verdict = seeds_needed(each, most)
        rows.append([what, f"at most {most} seeds", seeds, verdict])
    for name in HEALTHY:
        for baselines, which in ((1, "accepted seeds drawn"), (-1, "accepted state in use")):
            lost = int((~gates(study, name, plan, GATES, baselines).passed).sum())
            share = rarely(lost, GATES, 0.001)
            rows.append([f"{name}, {which}", "not passed: at most 0.1 %", *share])
    for widen, most in ((1.0, 0.01), (2.0, 0.025)):
        for name in HEALTHY:
            lost, metric = worst_miss(study, name, plan, widen)
            share, verdict = rarely(lost, FEW_GATES, most)
            what = f"{name}, a loss of one margin{', spread doubled' if widen > 1 else ''}"
            rows.append([what, f"passes: at most {100 * most:g} %", f"{share}: {metric}", verdict])
    for name in ("1 % wrong labels", "tanh", "batch 64", "75 % of the data"):
        each = decided[name, wide]
        seeds, verdict = seeds_needed(each, 8)
        text = f"{100 * each.failed:.4g} %; {seeds} seeds"
        rows.append(
            [name, "FAILED, at most 8 seeds", text, verdict if each.failed > 0.99 else "**no**"]
        )
    each = decided["4 epochs", wide]
    low, high = each.interval["failed"]
    text = f"{100 * each.failed:.4g} % ({100 * low:.3g} to {100 * high:.3g}) FAILED"
    rows.append(
        ["4 epochs", "FAILED, not UNDECIDED", text, reached(1 - each.failed, 1 - low, 0.01)]
    )
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
