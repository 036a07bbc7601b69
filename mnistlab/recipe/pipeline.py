"""The published recipe as a Pipeline: the five methods through which everything else talks to a subject."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.errors import MnistlabError
from mnistlab.recipe.spec import DIGITS, PUBLISHED
from mnistlab.recipe.training import History, epoch_order, train

WHITE = np.float32(255)
CLASSES = 10
PREDICTION_BATCH = 2000


class Pipeline:
    """The published recipe: Flatten, Dense 128 ReLU, Dense 10 softmax; Adam, cross-entropy, 5 epochs of 32.

    Whoever brings another recipe overrides what differs, and states its promise as `spec`.
    """

    name = "seed"
    spec = PUBLISHED

    def prepare_images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Scale grey levels from 0..255 to [0, 1].

        Parameters
        ----------
        images : numpy.ndarray of uint8, shape (N, 28, 28)

        Returns
        -------
        numpy.ndarray of float32, shape (N, 28, 28)

        Raises
        ------
        MnistlabError
            If type or shape differ: a float image may have been scaled already.
        """
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
            raise MnistlabError(
                f"images: got {_describe(images)}; required uint8 (N, 28, 28), as read from MNIST"
            )
        return images.astype(np.float32) / WHITE

    def prepare_labels(self, labels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode digits one-hot.

        Parameters
        ----------
        labels : numpy.ndarray of an integer type, shape (N,), 0 to 9

        Returns
        -------
        numpy.ndarray of float32, shape (N, 10)
            One 1 a row, at the digit's place.

        Raises
        ------
        MnistlabError
            If type, shape or range differ.
        """
        labels = np.asarray(labels)
        if not np.issubdtype(labels.dtype, np.integer) or labels.ndim != 1:
            raise MnistlabError(
                f"labels: got {_describe(labels)}; required integers (N,), as read from MNIST"
            )
        outside = labels[(labels < 0) | (labels >= CLASSES)]
        if outside.size:
            raise MnistlabError(
                f"labels: got {outside[0]} among {outside.size} outside 0..9; required digits"
            )
        return np.eye(CLASSES, dtype=np.float32)[labels]

    def build(self, seed: int) -> Any:
        """Return the compiled, untrained keras.Model of the recipe; the seed decides its initial weights."""
        import keras

        hidden, output = (int(state) for state in np.random.SeedSequence(seed).generate_state(2))
        glorot = keras.initializers.GlorotUniform
        model = keras.Sequential(
            [
                keras.Input((28, 28)),
                keras.layers.Flatten(),
                keras.layers.Dense(128, activation="relu", kernel_initializer=glorot(hidden)),
                keras.layers.Dense(
                    CLASSES, activation="softmax", kernel_initializer=glorot(output)
                ),
            ]
        )
        optimizer = keras.optimizers.Adam(learning_rate=0.001)
        model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(
        self,
        model: Any,
        images: NDArray[np.float32],
        labels: NDArray[np.float32],
        *,
        seed: int,
        epochs: int | None = None,
    ) -> History:
        """Train a model in place, in a fresh order every epoch, holding out the last part for validation.

        Parameters
        ----------
        model : keras.Model
            Compiled.
        images, labels : numpy.ndarray of float32, shapes (N, 28, 28) and (N, 10)
            Prepared training data, with the part that is held out.
        seed : int
            Decides the orders.
        epochs : int, optional
            Of the spec, if not given.

        Returns
        -------
        dict
            See `mnistlab.recipe.training.train`.
        """
        count = self.spec.trained_on(len(images))
        rounds = range(self.spec.epochs if epochs is None else epochs)
        orders = [epoch_order(seed, epoch, count) for epoch in rounds]
        training, validation = (images[:count], labels[:count]), (images[count:], labels[count:])
        return train(model, training, validation, orders, self.spec.batch_size)

    def predict(self, model: Any, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of the ten digits.

        Parameters
        ----------
        model : keras.Model
        images : numpy.ndarray of float32, shape (N, 28, 28)
            Prepared.

        Returns
        -------
        numpy.ndarray of float32, shape (N, 10)
        """
        starts = range(0, max(len(images), 1), PREDICTION_BATCH)
        batches = [
            model(images[start : start + PREDICTION_BATCH], training=False) for start in starts
        ]
        return np.concatenate([np.asarray(batch, dtype=np.float32) for batch in batches])


class DigitsPipeline(Pipeline):
    """The published recipe on scikit-learn's digits: the same, but for the promise."""

    spec = DIGITS


def pipeline_for(dataset: str) -> Pipeline:
    """Return the published recipe with its promise for a dataset, ``"mnist"`` or ``"digits"``."""
    return DigitsPipeline() if dataset == DIGITS.dataset else Pipeline()


def _describe(array: NDArray[Any]) -> str:
    return f"{array.dtype} {array.shape}"
