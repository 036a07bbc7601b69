"""Black-box experiments that find out what build, fit and predict do."""

from mnistlab.probes import leaks, linear_models, model

__all__ = ["leaks", "linear_models", "model"]
