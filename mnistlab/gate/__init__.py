"""No worse than what was accepted? The accepted state, and the two gates that compare with it.

The recipe gate (`sequential`) trains several seeds; the file gate (`paired`) compares images.
"""

from mnistlab.gate import error_rates, paired, sequential
from mnistlab.gate.baseline import (
    ACCEPT_AGAIN,
    IDENTITY,
    Baseline,
    NoBaselineError,
    baseline_path,
    identity,
)
from mnistlab.gate.comparison import GROUP, MetricComparison
from mnistlab.gate.healthy_range import HealthyRange, Worse, healthy_range, sides
from mnistlab.gate.margins import GateMetric, gate_metrics
from mnistlab.gate.plan import AcceptedSeeds, Plan, make_plan
from mnistlab.gate.seed_runs import SeedMetrics, SeedRun, SeedRunner, open_runner

__all__ = [
    "ACCEPT_AGAIN",
    "GROUP",
    "IDENTITY",
    "AcceptedSeeds",
    "Baseline",
    "GateMetric",
    "HealthyRange",
    "MetricComparison",
    "NoBaselineError",
    "Plan",
    "SeedMetrics",
    "SeedRun",
    "SeedRunner",
    "Worse",
    "baseline_path",
    "error_rates",
    "gate_metrics",
    "healthy_range",
    "identity",
    "make_plan",
    "open_runner",
    "paired",
    "sequential",
    "sides",
]
