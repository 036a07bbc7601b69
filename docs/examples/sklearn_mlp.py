"""scikit-learn's MLPClassifier behind the five methods: no Keras, and no base class.

mnistlab validate --pipeline sklearn_mlp.py:Mlp
"""

import numpy as np
from sklearn.metrics import accuracy_score, log_loss
from sklearn.neural_network import MLPClassifier

from mnistlab import Pipeline, Spec, bounds_of


class Mlp:
    """Images and labels are prepared as by the published recipe."""

    prepare_images, prepare_labels = Pipeline.prepare_images, Pipeline.prepare_labels
    spec = Spec(
        layers=None,  # this and the next four are for Keras models only
        optimizer=None,
        learning_rate=None,
        loss=None,
        metric=None,
        epochs=5,
        batch_size=200,
        bounds=bounds_of({"test accuracy": 0.95}),
    )

    def build(self, seed):
        """Return the untrained classifier."""
        return MLPClassifier(random_state=seed)

    def fit(self, model, images, labels, *, seed, epochs=None):
        """Train epoch by epoch, so that there is a history; `partial_fit` shuffles."""
        flat, digits = images.reshape(len(images), -1), labels.argmax(axis=1)
        count = self.spec.trained_on(len(images))
        history = {"loss": [], "accuracy": [], "val_loss": [], "val_accuracy": []}
        for _ in range(epochs or self.spec.epochs):
            model.partial_fit(flat[:count], digits[:count], classes=range(10))
            for prefix, part in (("", slice(count)), ("val_", slice(count, None))):
                rows = model.predict_proba(flat[part])
                history[f"{prefix}loss"].append(log_loss(digits[part], rows, labels=range(10)))
                history[f"{prefix}accuracy"].append(
                    accuracy_score(digits[part], rows.argmax(axis=1))
                )
        return history

    def predict(self, model, images):
        """Return the probabilities of the ten digits."""
        return model.predict_proba(images.reshape(len(images), -1)).astype(np.float32)
