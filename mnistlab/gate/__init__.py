"""No worse than what was accepted? Seed runs, margins, the accepted state and comparisons."""

from mnistlab.gate import baseline, error_rates, paired, sequential
from mnistlab.gate.baseline import Baseline, NoBaselineError
from mnistlab.gate.comparison import GROUP
from mnistlab.gate.margins import Margin, margins_for
from mnistlab.gate.seed_runs import (
    SeedMetrics,
    SeedRun,
    SeedRunner,
    columns,
    train_seeds,
    trainings,
)

__all__ = [
    "GROUP",
    "Baseline",
    "Margin",
    "NoBaselineError",
    "SeedMetrics",
    "SeedRun",
    "SeedRunner",
    "baseline",
    "columns",
    "error_rates",
    "figures",
    "margins_for",
    "paired",
    "sequential",
    "train_seeds",
    "trainings",
]
