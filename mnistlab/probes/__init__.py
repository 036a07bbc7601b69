"""Black-box experiments on build, fit and predict."""
