"""The published recipe: its pipeline, what it promises, and the engine that trains it."""

from mnistlab.recipe.keras_models import (
    SAVE,
    are_fractions,
    are_probabilities,
    image_shape,
    is_keras,
    keras_model,
    read_model,
    type_name,
)
from mnistlab.recipe.pipeline import CLASSES, WHITE, DigitsPipeline, Pipeline, pipeline_for
from mnistlab.recipe.spec import DIGITS, PUBLISHED, Layer, Spec, bounds_of, known_bound
from mnistlab.recipe.training import Arrays, History, epoch_order, train

__all__ = [
    "CLASSES",
    "DIGITS",
    "PUBLISHED",
    "SAVE",
    "WHITE",
    "Arrays",
    "DigitsPipeline",
    "History",
    "Layer",
    "Pipeline",
    "Spec",
    "are_fractions",
    "are_probabilities",
    "bounds_of",
    "epoch_order",
    "image_shape",
    "is_keras",
    "keras_model",
    "known_bound",
    "pipeline_for",
    "read_model",
    "train",
    "type_name",
]
