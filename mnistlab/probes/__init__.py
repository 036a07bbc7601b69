"""Black-box experiments that find out what build, fit and predict do."""

from mnistlab.probes import model, sample_order, updates

__all__ = ["model", "sample_order", "updates"]
