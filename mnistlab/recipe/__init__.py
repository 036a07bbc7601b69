"""The published recipe: its pipeline, its spec, and the engine that trains it."""

from mnistlab.recipe.keras_models import (
    identify_output,
    input_shape_of,
    is_keras,
    read_model,
    require_compiled_model,
    require_keras_model,
)
from mnistlab.recipe.pipeline import Pipeline, pipeline_for
from mnistlab.recipe.spec import (
    DIGITS,
    KERAS_FIELDS,
    OPTIONAL,
    PUBLISHED,
    Layer,
    Spec,
    bounds_of,
)
from mnistlab.recipe.training import History, epoch_order, train

__all__ = [
    "DIGITS",
    "KERAS_FIELDS",
    "OPTIONAL",
    "PUBLISHED",
    "History",
    "Layer",
    "Pipeline",
    "Spec",
    "bounds_of",
    "epoch_order",
    "identify_output",
    "input_shape_of",
    "is_keras",
    "pipeline_for",
    "read_model",
    "require_compiled_model",
    "require_keras_model",
    "train",
]
