"""What ``mnistlab baseline`` prints of an accepted state, and of an old one against a new one."""

from collections.abc import Sequence

import numpy as np

from mnistlab.errors import MnistlabError
from mnistlab.gate import IDENTITY, Baseline, HealthyRange, gate_metrics, sequential
from mnistlab.gate.baseline import SHOWN
from mnistlab.report import table

WORDS = {
    "PASSED": "no metric is worse by its margin",
    "FAILED": "it is worse",
    "UNDECIDED": "it may be worse",
}


def describe_baseline(baseline: Baseline, title: str) -> str:
    """Describe an accepted state for a terminal."""
    head = f"{title}: pipeline {baseline.pipeline} on {baseline.dataset}, {baseline.seeds} seeds "
    head += f"from {baseline.first_seed}, accepted {baseline.accepted}, "
    lines = [head + f"commit {baseline.commit or 'unknown'}"]
    for key, values in baseline.columns.items():
        weights, _, metric = key.partition(" ")
        if metric in SHOWN:
            mean, sd = np.mean(values), np.std(values, ddof=1)
            lines.append(f"  {metric + ', ' + weights + ' weights':44} {mean:.5f} (sd {sd:.5f})")
    ranges = f"{len(baseline.figures)} figures have a healthy range"
    lines.append(f"  {ranges}; {len(baseline.not_judged)} tests could not be judged")
    return "\n".join(lines)


def compare_baselines(
    old: Baseline, new: Baseline, margin: float | None = None
) -> tuple[str, sequential.Decision]:
    """Compare an accepted state with an older one, all seeds at one look.

    Return lines for people, and the decision. `margin` is the leading metric's, a fraction.
    """
    if differs := old.difference({field: getattr(new, field) for field in IDENTITY}, "in the new"):
        advice = "compare only states of one pipeline, dataset, test set and spec"
        raise MnistlabError(f"{differs}; {advice}")
    metrics = gate_metrics(old.columns, len(old.predictions), leading=margin)
    metrics = tuple(metric for metric in metrics if metric.key in new.columns)
    comparisons = sequential.compare_once(metrics, old.accepted_seeds, new.accepted_seeds)
    decision = sequential.decision_of(comparisons)
    better = ", ".join(each.metric.name for each in comparisons if each.improved)
    gained = f"; better beyond the margin in {better}" if better else ""
    head = f"Against the {old.seeds} seeds accepted {old.accepted}: {WORDS[decision]}{gained}"
    lines = [f"  {each.summary}: {each.status}" for each in comparisons]
    return "\n".join([head, *lines, *compare_figures(old, new)]), decision


def compare_figures(old: Baseline, new: Baseline) -> Sequence[str]:
    """Return lines on the figures: old and new mean, and which moved beyond their old range."""
    names = dict.fromkeys([*old.figures, *new.figures])
    rows, moved = [], []
    for name in names:
        before, now = old.figures.get(name), new.figures.get(name)
        mark = "gone" if before else "new"
        if before and now:
            low = -np.inf if before.low is None else before.low
            high = np.inf if before.high is None else before.high
            mark = "" if low <= now.mean <= high else "moved"
        moved += [name] if mark == "moved" else []
        rows.append((name, *_cells(before), *_cells(now), mark))
    headings = ("figure", "old mean (sd)", "old range", "new mean (sd)", "new range", "")
    lines = [table(headings, rows, 140)] if rows else []
    count = f"{len(moved)} of {len(names)} figures moved beyond their old healthy range"
    return [*lines, f"{count}: {', '.join(moved)}" if moved else count]


def _cells(healthy: HealthyRange | None) -> tuple[str, str]:
    """Return mean and range as text."""
    if healthy is None:
        return "", ""
    low, high = ("" if end is None else f"{end:.4g}" for end in (healthy.low, healthy.high))
    return f"{healthy.mean:.4g} ({healthy.sd:.2g})", f"{low} to {high}".strip()
