"""Datasets: find them, verify them, read them, and change their images on purpose."""
