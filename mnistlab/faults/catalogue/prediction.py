"""Faults of prediction: from prepared images to probabilities."""

from typing import Any

import numpy as np

from mnistlab.faults.catalogue.registry import fault, variants
from mnistlab.faults.catalogue.training_steps import Array
from mnistlab.recipe import CLASSES, WHITE, Pipeline

ROWS = "test_output_rows_are_probabilities_for_any_input"
AGAIN = "test_the_same_images_get_the_same_predictions_again"
OTHERS = "test_other_images_get_other_predictions"
ORDER = "test_probabilities_come_in_the_order_of_the_models_outputs"
OWN = "test_predictions_are_what_the_model_itself_says"
ONE_HOT = np.eye(CLASSES, dtype=np.float32)
TEXTUAL = sorted(range(CLASSES), key=lambda digit: str(digit + 1))


class _Predicted(Pipeline):
    """Does something to the images before, or to the probabilities after."""

    def before(self, images: Array) -> Array:
        return images

    def after(self, probabilities: Array) -> Array:
        return probabilities

    def predict(self, model: Any, images: Array) -> Array:
        return self.after(super().predict(model, self.before(images)))


def _normalised(powers: Array, axis: int = 1) -> Array:
    shares: Array = powers / powers.sum(axis=axis, keepdims=True)
    return shares


# fmt: off
variants(__name__, _Predicted, (
    ("argmax-on-the-wrong-axis", "jolibrain/deepdetect#1567", ROWS, "The largest of a column wins, not of a row.",
     {"after": lambda self, p: np.float32(p == p.max(axis=0))}),
    ("softmax-over-the-batch", "google-research-datasets/answer-equivalence-dataset#1", ROWS,
     "Normalised over the images, not the classes.", {"after": lambda self, p: _normalised(p, axis=0)}),
    ("last-batch-lost", "ML4GW/aframe#113", ROWS, "Only whole batches are predicted.",
     {"before": lambda self, x: x[: len(x) // 32 * 32]}),
    ("temperature", "practice", OWN, "A temperature from another model's calibration.",
     {"after": lambda self, p: _normalised(p**0.8)}),
    ("softmax-twice", "bifold-pathomics/xMIL#7", OWN, "The caller applies one more softmax.",
     {"after": lambda self, p: _normalised(np.exp(p))}),
    ("hard-labels", "IBM/differential-privacy-library#68", OWN, "The likeliest digit gets all.",
     {"after": lambda self, p: ONE_HOT[p.argmax(axis=1)]}),
    ("other-order-of-classes", "pytorch/vision#714", ORDER, "Classes are sorted as text: 1, 10, 2.",
     {"after": lambda self, p: p[:, TEXTUAL]}),
    ("scaled-again-at-prediction", "GoogleCloudPlatform/asl-ml-immersion#424", OWN,
     "Prediction scales what is scaled already.", {"before": lambda self, x: x / WHITE}),
    ("not-scaled-at-prediction", "GoogleCloudPlatform/asl-ml-immersion#253", OWN,
     "Training scales, prediction does not.", {"before": lambda self, x: x * WHITE}),
    ("transposed-at-prediction", "londonaicentre/FLIP#820", OWN, "The service reads columns first.",
     {"before": lambda self, x: x.transpose(0, 2, 1)}),
    ("mirrored-at-prediction", "vladmandic/human#110", OWN, "The camera's picture is a mirror's.",
     {"before": lambda self, x: x[:, :, ::-1]}),
    ("noisy-predictions", "facebookresearch/DME#3", AGAIN, "Something random stays switched on, as a dropout would.",
     {"after": lambda self, p: _normalised(p * np.random.default_rng().uniform(0.9, 1.1, p.shape).astype(np.float32))}),
))
# fmt: on


@fault("cached-result", "Blaizzy/mlx-vlm#1933", OTHERS)
class CachedResult(Pipeline):
    """Results are kept by the shape of the images, not by the images."""

    def predict(self, model: Any, images: Array) -> Array:
        kept = self.__dict__.setdefault("kept", {})
        if images.shape not in kept:
            kept[images.shape] = super().predict(model, images)
        return np.array(kept[images.shape])
