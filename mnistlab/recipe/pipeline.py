"""The published recipe as a pipeline: the five methods through which a model is judged."""

from typing import Any

import numpy as np

from mnistlab.arrays import CLASSES, IMAGE_SHAPE, WHITE, Bytes, Floats
from mnistlab.errors import MnistlabError
from mnistlab.recipe.spec import DIGITS, PUBLISHED
from mnistlab.recipe.training import History, epoch_order, train


class Pipeline:
    """The published recipe: a dense network of 128 hidden units, trained by Adam for 5 epochs.

    For a recipe of your own, override the methods that differ and state its requirements in `spec`.
    `name` names the files of an accepted result. An object of any other class is a pipeline as well
    if it has these five methods and a `spec`.
    """

    name = "seed"
    spec = PUBLISHED

    def prepare_images(self, images: Bytes) -> Floats:
        """Scale grey levels from 0..255, (N, 28, 28), to 0..1.

        Raises MnistlabError if type or shape differ: a float image may have been scaled already.
        """
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != IMAGE_SHAPE:
            required = "required uint8 (N, 28, 28), as read from MNIST"
            raise MnistlabError(f"images: got {images.dtype} {images.shape}; {required}")
        return images.astype(np.float32) / WHITE

    def prepare_labels(self, labels: Bytes) -> Floats:
        """Encode digits, integers (N,), one-hot, (N, 10).

        Raises MnistlabError if type, shape or range differ.
        """
        labels = np.asarray(labels)
        if not np.issubdtype(labels.dtype, np.integer) or labels.ndim != 1:
            required = "required integers (N,), as read from MNIST"
            raise MnistlabError(f"labels: got {labels.dtype} {labels.shape}; {required}")
        outside = labels[(labels < 0) | (labels >= CLASSES)]
        if outside.size:
            got = f"got {outside[0]} among {outside.size} outside 0..9"
            raise MnistlabError(f"labels: {got}; required digits")
        return np.eye(CLASSES, dtype=np.float32)[labels]

    def build(self, seed: int) -> Any:
        """Build and compile the untrained keras.Model. The seed decides its initial weights."""
        import keras
        from keras.initializers import GlorotUniform
        from keras.layers import Dense, Flatten

        hidden, output = (int(state) for state in np.random.SeedSequence(seed).generate_state(2))
        model = keras.Sequential(
            [
                keras.Input(IMAGE_SHAPE),
                Flatten(),
                Dense(128, activation="relu", kernel_initializer=GlorotUniform(hidden)),
                Dense(CLASSES, activation="softmax", kernel_initializer=GlorotUniform(output)),
            ]
        )
        optimizer = keras.optimizers.Adam(learning_rate=0.001)
        model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(
        self, model: Any, images: Floats, labels: Floats, *, seed: int, epochs: int | None = None
    ) -> History:
        """Train a compiled model in place, in a fresh order every epoch; see `train`.

        `images`, (N, 28, 28), and `labels`, (N, 10), are all prepared training data, of which the
        last part is held out. The seed decides the orders.
        """
        count = self.spec.trained_on(len(images))
        epochs = self.spec.epochs if epochs is None else epochs
        orders = [epoch_order(seed, epoch, count) for epoch in range(epochs)]
        training, validation = (images[:count], labels[:count]), (images[count:], labels[count:])
        return train(model, training, validation, orders, self.spec.batch_size)

    def predict(self, model: Any, images: Floats) -> Floats:
        """Return the probabilities of the ten digits, (N, 10), of prepared images."""
        size = 2000  # limits the memory that the activations of a convolution take
        batches = (images[i : i + size] for i in range(0, max(len(images), 1), size))
        rows = [np.asarray(model(batch, training=False), dtype=np.float32) for batch in batches]
        return np.concatenate(rows)


def pipeline_for(dataset: str) -> Pipeline:
    """Return the published recipe with its spec for a dataset, ``"mnist"`` or ``"digits"``."""
    pipeline = Pipeline()
    pipeline.spec = DIGITS if dataset == DIGITS.dataset else PUBLISHED
    return pipeline
