"""Black-box experiments that find out what build, fit and predict do."""

from mnistlab.probes import leaks, model, sample_order, updates

__all__ = ["leaks", "model", "sample_order", "updates"]
