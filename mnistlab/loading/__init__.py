"""Load what is judged: a pipeline or a model file, with its spec, every answer checked."""

from mnistlab.loading.checked_pipeline import CheckedPipeline, check_pipeline, load_pipeline
from mnistlab.loading.model_file import UNTRAINED, ModelFilePipeline, load_model

__all__ = [
    "UNTRAINED",
    "CheckedPipeline",
    "ModelFilePipeline",
    "check_pipeline",
    "load_model",
    "load_pipeline",
]
