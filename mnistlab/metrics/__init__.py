"""Measure predictions: accuracy and loss, calibration, robustness. `figures` draws them."""

from mnistlab.metrics import calibration, robustness
from mnistlab.metrics.calibration import reliability
from mnistlab.metrics.evaluation import Evaluation
from mnistlab.metrics.robustness import SEVERITY

__all__ = ["SEVERITY", "Evaluation", "calibration", "figures", "reliability", "robustness"]
