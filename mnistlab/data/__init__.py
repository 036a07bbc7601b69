"""Datasets: find, verify and read them; corrupt, perturb and draw images; check data quality."""

from mnistlab.data import quality
from mnistlab.data.corruptions import CORRUPTIONS, corrupt, corrupt_all
from mnistlab.data.datasets import Dataset, load_dataset
from mnistlab.data.perturbations import PERTURBATIONS, images_without_digits
from mnistlab.data.slices import FEATURES, slice_by_feature
from mnistlab.data.synthetic_digits import draw_digits

__all__ = [
    "CORRUPTIONS",
    "FEATURES",
    "PERTURBATIONS",
    "Dataset",
    "corrupt",
    "corrupt_all",
    "draw_digits",
    "images_without_digits",
    "load_dataset",
    "quality",
    "slice_by_feature",
]
