"""Faults of prediction: from prepared images to probabilities."""

from functools import partial
from typing import Any

import numpy as np

from mnistlab.arrays import CLASSES, WHITE, Array
from mnistlab.faults.catalogue.registry import MIRRORED, SCALED_AGAIN, TRANSPOSED, variant
from mnistlab.recipe import Pipeline

PROBABILITIES = "test_output_rows_are_probabilities_for_any_input"
DETERMINISTIC = "test_the_same_images_get_the_same_predictions_again"
CLASS_ORDER = "test_probabilities_come_in_the_order_of_the_digits"
MODEL = "test_predictions_are_what_the_model_itself_says"
CLASSES_AS_TEXT = sorted(range(CLASSES), key=lambda digit: str(digit + 1))
CACHE: dict[tuple[int, ...], Array] = {}


class _Predicted(Pipeline):
    """Changes the images before the prediction or the probabilities after it."""

    before = after = staticmethod(np.asarray)

    def predict(self, model: Any, images: Array) -> Array:
        return self.after(super().predict(model, self.before(images)))


def _normalised(powers: Array, axis: int = 1) -> Array:
    shares: Array = powers / powers.sum(axis=axis, keepdims=True)
    return shares


# fmt: off
add = partial(variant, __name__, _Predicted)
add("argmax-on-the-wrong-axis", "jolibrain/deepdetect#1567", PROBABILITIES,
    "The maximum is taken over the images, not over the classes.",
    after=lambda p: np.float32(p == p.max(axis=0)))
add("softmax-over-the-batch", "google-research-datasets/answer-equivalence-dataset#1",
    PROBABILITIES, "Outputs are normalised over the images, not over the classes.",
    after=lambda p: _normalised(p, axis=0))
add("last-batch-lost", "ML4GW/aframe#113", PROBABILITIES, "Only whole batches are predicted.",
    before=lambda x: x[: len(x) // 32 * 32])
add("temperature", "practice", MODEL, "The temperature comes from another model's calibration.",
    after=lambda p: _normalised(p**0.8))
add("softmax-twice", "bifold-pathomics/xMIL#7", MODEL, "The caller applies one more softmax.",
    after=lambda p: _normalised(np.exp(p)))
add("hard-labels", "IBM/differential-privacy-library#68", MODEL, "Only the argmax is returned.",
    after=lambda p: np.eye(CLASSES, dtype=np.float32)[p.argmax(axis=1)])
add("other-order-of-classes", "pytorch/vision#714", CLASS_ORDER,
    "Classes are sorted as text: 1, 10, 2.", after=lambda p: p[:, CLASSES_AS_TEXT])
add("scaled-again-at-prediction", "GoogleCloudPlatform/asl-ml-immersion#424", MODEL,
    "Prediction scales images that are scaled already.", before=SCALED_AGAIN)
add("not-scaled-at-prediction", "GoogleCloudPlatform/asl-ml-immersion#253", MODEL,
    "Training scales the images, prediction does not.", before=lambda x: x * WHITE)
add("transposed-at-prediction", "londonaicentre/FLIP#820", MODEL,
    "Prediction exchanges rows and columns, training does not.", before=TRANSPOSED)
add("mirrored-at-prediction", "vladmandic/human#110", MODEL,
    "The camera mirrors the images, which training never saw.", before=MIRRORED)
add("noisy-predictions", "facebookresearch/DME#3", DETERMINISTIC,
    "Something random stays switched on, such as a dropout.",
    after=lambda p: _normalised(p * np.float32(np.random.default_rng().uniform(0.9, 1.1, p.shape))))
add("cached-result", "Blaizzy/mlx-vlm#1933", "test_other_images_get_other_predictions",
    "Results are cached by the shape of the images, not by their content.",
    after=lambda p: CACHE.setdefault(p.shape, p).copy())
# fmt: on
