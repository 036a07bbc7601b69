"""Linear models whose weights show what ``fit`` trained them on.

The pipeline's own ``fit`` trains a linear model, from pixels to ten outputs. All weights start at
0, the loss is the mean absolute error, and no output ever reaches 1. So an output whose label is 0
stays at 0, and one whose label is 1 has the gradient -1. Averaged over ten outputs and a batch of B
images, each image moves the weight from a pixel to the output of its label by
(learning rate) x (value of the pixel) / (10 B).

The weights are sums over all images seen. If every image has a white pixel of its own, they tell
which images were seen, how often and with which label. If all images are the same, they show that
image. A regularisation that halves all weights in every step adds the time: the exponent of an
image's weight counts the steps since it was seen.
"""

from typing import Any

import numpy as np

from mnistlab.arrays import CLASSES, IMAGE_SHAPE, PIXELS, Doubles, Floats
from mnistlab.errors import ContractError, NotJudgedError
from mnistlab.recipe import Spec, require_keras_model

MAX_FULL_BATCHES = 18
"""Full batches in an epoch, at most, so that a float32 of 24 bits holds what every step adds."""


def build(optimizer: Any, **settings: Any) -> Any:
    """Build a linear model with all weights 0; settings are those of its Dense layer."""
    import keras

    settings = {"use_bias": False, "kernel_initializer": "zeros", **settings}
    layers = [keras.layers.Flatten(), keras.layers.Dense(CLASSES, **settings)]
    model = keras.Sequential([keras.Input(IMAGE_SHAPE), *layers])
    model.compile(optimizer, loss="mean_absolute_error", metrics=["accuracy"])
    return model


def fit(
    pipeline: Any, model: Any, data: tuple[Floats, Floats], *, seed: int, epochs: int = 1
) -> list[Doubles]:
    """Let a pipeline train a linear model; return its weights, or raise NotJudgedError."""
    require_keras_model(pipeline.build(seed), "how its fit trains")
    try:
        pipeline.fit(model, *data, seed=seed, epochs=epochs)
    except ContractError as error:
        problem = "fit trains only its own model; it must train any Keras model to be examined"
        raise NotJudgedError(f"{problem}: {error}") from error
    return [np.asarray(weight, dtype=np.float64) for weight in model.get_weights()]


def pixel_range(spec: Spec) -> tuple[float, float]:
    """Return the least and the largest pixel, within -1 and 1, of images that a spec promises.

    Raises NotJudgedError if images without any light, all 0, are not among them.
    """
    low, high = spec.image_range or (0.0, 1.0)
    if not low <= 0 < high:
        raise NotJudgedError(f"prepared images, {low:g} to {high:g}, cannot be 0 outside a pixel")
    return max(low, -1), min(high, 1)


def one_pixel_images(count: int, white: float) -> Floats:
    """Make up to 784 images, (count, 28, 28), each with a white pixel of its own."""
    return white * np.eye(count, PIXELS, dtype=np.float32).reshape(-1, *IMAGE_SHAPE)


def position_images(spec: Spec, count: int) -> tuple[Floats, Floats]:
    """Make images, (count, 28, 28), and labels, (count, 10), that tell their position in the data.

    The training images fall into 784 parts, each with a white pixel and a label of its own. The
    images held out after them have the last pixel.
    """
    pixels = np.minimum(np.arange(count) * PIXELS // spec.trained_on(count), PIXELS - 1)
    images = np.zeros((count, PIXELS), dtype=np.float32)
    images[np.arange(count), pixels] = pixel_range(spec)[1]
    digits = np.random.default_rng(0).integers(CLASSES, size=PIXELS)
    return images.reshape(-1, *IMAGE_SHAPE), one_hot(digits[pixels])


def one_hot(digits: Any) -> Floats:
    """Return labels, float32 (N, 10), of digits (N,)."""
    return np.asarray(np.eye(CLASSES, dtype=np.float32)[digits])


def all_zeros(count: int) -> Floats:
    """Return one-hot labels, (count, 10), of the digit 0."""
    return one_hot(np.zeros(count, dtype=np.int64))
