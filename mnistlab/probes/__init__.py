"""Black-box experiments on build, fit and predict: what they do, found out from outside."""

from mnistlab.probes import model, sample_order, updates

__all__ = ["model", "sample_order", "updates"]
