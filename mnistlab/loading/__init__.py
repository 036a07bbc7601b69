"""Load what is judged: import a user's pipeline, apply a TOML spec, check every answer."""

from mnistlab.loading.checked_pipeline import CheckedPipeline, load_pipeline, mnist_bounds
from mnistlab.loading.contract import KERAS_FIELDS
from mnistlab.loading.model_file import (
    UNTRAINED,
    History,
    ModelFilePipeline,
    Unknown,
    as_file_pipeline,
    load_model,
)

__all__ = [
    "KERAS_FIELDS",
    "UNTRAINED",
    "CheckedPipeline",
    "History",
    "ModelFilePipeline",
    "Unknown",
    "as_file_pipeline",
    "load_model",
    "load_pipeline",
    "mnist_bounds",
]
