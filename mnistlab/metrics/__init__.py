"""Numbers about predictions: accuracy, calibration, robustness, and their figures."""
