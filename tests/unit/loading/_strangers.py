"""Healthy pipelines as other people write them: a softmax regression, in NumPy or in Keras."""

import numpy as np

from mnistlab import Layer, Pipeline, Spec

WITHOUT_KERAS = {
    "layers": None,
    "optimizer": None,
    "learning_rate": None,
    "loss": None,
    "metric": None,
    "bounds": (),
}


class Softmax:
    """In NumPy, trained on digits for a second."""

    spec = Spec(**WITHOUT_KERAS)
    prepare_images, prepare_labels = Pipeline.prepare_images, Pipeline.prepare_labels

    def build(self, seed):
        return {"weights": np.random.default_rng(seed).normal(0, 0.01, (785, 10))}

    def fit(self, model, images, labels, *, seed, epochs=None):
        count = self.spec.trained_on(len(images))
        history = {"loss": [], "accuracy": [], "val_loss": [], "val_accuracy": []}
        for epoch in range(epochs or self.spec.epochs):
            self.epoch(model, images[:count], labels[:count], [seed, epoch])
            for prefix, part in (("", slice(count)), ("val_", slice(count, None))):
                if len(images[part]):
                    rows, digits = self.predict(model, images[part]), labels[part].argmax(axis=1)
                    truth = rows[np.arange(len(rows)), digits]
                    history[f"{prefix}loss"].append(float(-np.log(truth + 1e-7).mean()))
                    right = rows.argmax(axis=1) == digits
                    history[f"{prefix}accuracy"].append(float(right.mean()))
        return {key: values for key, values in history.items() if values}

    def epoch(self, model, images, labels, seed):
        order, size = np.random.default_rng(seed).permutation(len(images)), self.spec.batch_size
        for part in np.split(order, range(size, len(order), size)):
            pixels = flat(images[part])
            slope = pixels.T @ (self.predict(model, images[part]) - labels[part])
            model["weights"] -= 0.05 * slope / len(part)

    def predict(self, model, images):
        logits = flat(images) @ model["weights"]
        rows = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)


def flat(images):
    return np.hstack([images.reshape(len(images), -1), np.ones((len(images), 1))])


def scaled(images):
    return images.astype(np.float32) / np.float32(255)


class Shifted(Softmax):
    """Pixels lie evenly around 0."""

    spec = Spec(**WITHOUT_KERAS, image_range=(-0.5, 0.5))

    def prepare_images(self, images):
        return scaled(images) - np.float32(0.5)


class Unpromised(Shifted):
    """Pixels are not where the spec, by default, says that they are."""

    spec = Spec(**WITHOUT_KERAS)


class Standardised(Softmax):
    """Mean and standard deviation of MNIST's training images become 0 and 1."""

    spec = Spec(**WITHOUT_KERAS, image_range=((0 - 0.1307) / 0.3081, (1 - 0.1307) / 0.3081))

    def prepare_images(self, images):
        return (scaled(images) - np.float32(0.1307)) / np.float32(0.3081)


class ScaledByImage(Softmax):
    """Each image is scaled by its own darkest and lightest pixel."""

    def prepare_images(self, images):
        low = images.min(axis=(1, 2), keepdims=True).astype(np.float32)
        return (images - low) / np.maximum(images.max(axis=(1, 2), keepdims=True) - low, 1)


class Centred(Softmax):
    """Each image is shifted so that its centre of mass is in the middle."""

    spec = Spec(**WITHOUT_KERAS, image_range=None)

    def prepare_images(self, images):
        centred = np.zeros(images.shape, np.float32)
        for image, there in zip(scaled(images), centred, strict=True):
            mass = max(float(image.sum()), 1e-6)
            means = [(image.sum(axis=axis) @ np.arange(28)) / mass for axis in (1, 0)]
            there[...] = np.roll(image, [round(13.5 - mean) for mean in means], axis=(0, 1))
        return centred


class NothingHeldOut(Softmax):
    """All images are trained on."""

    spec = Spec(**WITHOUT_KERAS, validation_split=0)


class NoValidation(Softmax):
    """A part is held out, but nothing is measured on it."""

    def fit(self, *arguments, **settings):
        history = super().fit(*arguments, **settings)
        return {key: history[key] for key in ("loss", "accuracy")}


class NoHistory(Softmax):
    """Nothing is measured at all."""

    def fit(self, *arguments, **settings):
        super().fit(*arguments, **settings)
        return {}


class StoppedEarly(Softmax):
    """Training stops two epochs after the best one, whose weights are restored."""

    spec = Spec(**WITHOUT_KERAS, epochs=40, training=("early stopping", "best weights"))

    def fit(self, model, images, labels, *, seed, epochs=None):
        history, best = {}, model["weights"].copy()
        for epoch in range(epochs or self.spec.epochs):
            for key, values in super().fit(model, images, labels, seed=epoch, epochs=1).items():
                history.setdefault(key, []).extend(values)
            losses = history["val_loss"]
            if losses[-1] == min(losses):
                best = model["weights"].copy()
            if np.argmin(losses) < epoch - 1 or epoch == 6:
                break
        model["weights"] = best
        return history


class SparseLogits(Pipeline):
    """In Keras: logits, digits as labels, nothing held out, a learning rate that falls."""

    spec = Spec(
        layers=(Layer("Flatten"), Layer("Dense", 10, "linear")),
        loss="sparse_categorical_crossentropy",
        epochs=2,
        validation_split=0,
        training=("schedule",),
        bounds=(),
    )

    def build(self, seed):
        import keras

        keras.utils.set_random_seed(seed)
        model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten()])
        model.add(keras.layers.Dense(10))
        model.compile(
            keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.001, 100)),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return model

    def fit(self, model, images, labels, *, seed, epochs=None):
        return super().fit(model, images, labels.argmax(axis=1), seed=seed, epochs=epochs)

    def predict(self, model, images):
        import keras

        return np.asarray(keras.ops.softmax(model(images, training=False)))


class OwnLoop(SparseLogits):
    """In Keras, never compiled, trained by a loop that keeps no history."""

    spec = Spec(**WITHOUT_KERAS | {"layers": SparseLogits.spec.layers}, epochs=2)

    def build(self, seed):
        import keras

        keras.utils.set_random_seed(seed)
        return keras.Sequential(
            [keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)]
        )

    def fit(self, model, images, labels, *, seed, epochs=None):
        regression = Softmax()
        kernel, bias = model.get_weights()
        weights = {"weights": np.vstack([kernel, bias])}
        count = self.spec.trained_on(len(images))
        for epoch in range(epochs or self.spec.epochs):
            regression.epoch(weights, images[:count], labels[:count], [seed, epoch])
        model.set_weights([weights["weights"][:-1], weights["weights"][-1]])
        return {}
