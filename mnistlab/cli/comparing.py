"""What ``mnistlab baseline`` prints of an accepted state, and of an old one against a new one."""

from collections.abc import Sequence

from mnistlab.errors import MnistlabError
from mnistlab.gate import IDENTITY, Baseline, HealthyRange, gate_metrics, sequential
from mnistlab.gate.baseline import SHOWN, mean_and_sd
from mnistlab.report import table


def describe_baseline(baseline: Baseline, title: str) -> str:
    """Describe an accepted state for a terminal."""
    head = f"{title}: pipeline {baseline.pipeline} on {baseline.dataset}, {baseline.seeds} seeds "
    head += f"from {baseline.first_seed}, accepted {baseline.accepted}, "
    lines = [head + f"commit {baseline.commit or 'unknown'}"]
    for key, values in baseline.columns.items():
        weights, _, metric = key.partition(" ")
        if metric in SHOWN:
            mean, sd = mean_and_sd(values)
            lines.append(f"  {metric + ', ' + weights + ' weights':44} {mean:.5f} (sd {sd:.5f})")
    ranges = f"{len(baseline.figures)} figures have a healthy range"
    lines.append(f"  {ranges}; {len(baseline.not_judged)} tests could not be judged")
    return "\n".join(lines)


def compare_baselines(
    old: Baseline, new: Baseline, margin: float | None = None
) -> tuple[str, sequential.Decision]:
    """Compare an accepted state with an older one; return lines for people, and the decision.

    All seeds are compared at one look: seed by seed if both have the same ones.

    Parameters
    ----------
    old, new : Baseline
    margin : float, optional
        Of the leading metric, a fraction.

    Raises
    ------
    MnistlabError
        If they are of two pipelines, datasets, test sets or specs.
    """
    if differs := old.difference({field: getattr(new, field) for field in IDENTITY}, "in the new"):
        advice = "compare only states of one pipeline, dataset, test set and spec"
        raise MnistlabError(f"{differs}; {advice}")
    metrics = gate_metrics(old.columns, len(old.predictions), leading=margin)
    metrics = tuple(metric for metric in metrics if metric.key in new.columns)
    comparisons = sequential.compare_once(metrics, old.accepted_seeds, new.accepted_seeds)
    lines = [f"  {each.summary}: {each.status}" for each in comparisons]
    decision = sequential.decision_of(comparisons)
    words = {
        "PASSED": "no metric is worse by its margin",
        "FAILED": "it is worse",
        "UNDECIDED": "it may be worse",
    }
    better = ", ".join(each.metric.name for each in comparisons if each.improved)
    gained = f"; better beyond the margin in {better}" if better else ""
    head = f"Against the {old.seeds} seeds accepted {old.accepted}: {words[decision]}{gained}"
    return "\n".join([head, *lines, *compare_figures(old, new)]), decision


def compare_figures(old: Baseline, new: Baseline) -> Sequence[str]:
    """Return lines on the figures: old and new mean, and which moved beyond their old range."""
    names = dict.fromkeys([*old.figures, *new.figures])
    rows, moved = [], []
    for name in names:
        before, now = old.figures.get(name), new.figures.get(name)
        if before and now and is_beyond(now.mean, before):
            moved.append(name)
        mark = "moved" if name in moved else "" if before and now else "new" if now else "gone"
        rows.append((name, _mean(before), _mean(now), _ends(before), _ends(now), mark))
    headings = ("figure", "old mean (sd)", "new mean (sd)", "old range", "new range", "")
    lines = [table(headings, rows, 140)] if rows else []
    count = f"{len(moved)} of {len(names)} figures moved beyond their old healthy range"
    return [*lines, f"{count}: {', '.join(moved)}" if moved else count]


def is_beyond(value: float, healthy: HealthyRange) -> bool:
    """Tell whether a value lies outside a healthy range."""
    low, high = healthy.low, healthy.high
    return (low is not None and value < low) or (high is not None and value > high)


def _mean(healthy: HealthyRange | None) -> str:
    return f"{healthy.mean:.4g} ({healthy.sd:.2g})" if healthy else ""


def _ends(healthy: HealthyRange | None) -> str:
    if healthy is None:
        return ""
    low, high = ("" if end is None else f"{end:.4g}" for end in (healthy.low, healthy.high))
    return f"{low} to {high}".strip()
