"""Strangers of the second count, for after the checks were mended: judge them only then."""

import functools
from typing import Any

import numpy as np
from strangers_base import Bare, EpochByEpoch, KeepsBest, Pair, Recipe, stranger, test_set

from mnistlab import load_dataset
from mnistlab.arrays import CLASSES, Floats
from mnistlab.recipe import History, epoch_order

LOSS = r"cross.?entropy|loss (function|is|of)"
LEAK = r"\bleak|test (set|images|labels)"
HELD_OUT = r"held.?out|validation (images|part|set)|split"
ANSWER = r"itself|own answer"
defect = functools.partial(stranger, "second")


# Data and preparation


@defect("data", "TheDeepChecker wrong_augmentation", r"changes the images|as they are|augment|eras")
class ErasingLeftOn(Recipe):
    """A box of each training image is erased, an augmentation of another recipe."""

    def changed(self, images: Floats, labels: Floats, rng: np.random.Generator) -> Pair:
        images = images.copy()
        for image, (row, column) in zip(images, rng.integers(0, 18, (len(images), 2)), strict=True):
            image[row : row + 10, column : column + 10] = 0
        return images, labels


@defect("data", "IBM/unitxt#7", r"images .*(given|other)|before|stale|cache|does? not influence")
class StaleCache(Recipe):
    """Training data are cached by their number, so that other data of this number are not read."""

    def changed(self, images: Floats, labels: Floats, rng: np.random.Generator) -> Pair:
        self.cache: dict[int, Pair] = getattr(self, "cache", {})
        return self.cache.setdefault(len(images), (images.copy(), labels.copy()))


@defect("preparation", "zheng95z/rgbx#5", r"gamma|grey|proportional|linear")
class GammaDecoded(Recipe):
    """Grey levels are decoded as those of a photograph in sRGB."""

    def prepare_images(self, images: Any) -> Floats:
        return super().prepare_images(images) ** np.float32(2.2)


@defect("preparation", "NVIDIA/gpu-rest-engine#27", r"range|within 0|\bmean\b|black|parts|negative")
class MeanImageSubtracted(Recipe):
    """The mean of the images that are prepared together is subtracted from them."""

    def prepare_images(self, images: Any) -> Floats:
        scaled = super().prepare_images(images)
        return scaled - scaled.mean(axis=0, keepdims=True)


# Architecture


@defect("architecture", "keras-team/keras#3078", r"batch|alone|parts|layer")
class BatchStatistics(Recipe):
    """A layer subtracts the mean over the batch, in training and in prediction."""

    def build(self, seed: int) -> Any:
        import keras

        layers = self.network(seed)
        centre = keras.layers.Lambda(lambda x: x - keras.ops.mean(x, axis=0, keepdims=True))
        return self.compiled([*layers[:3], centre, layers[3]])


@defect("architecture", "pytorch/pytorch#11999", r"dropout|random|same images|layer|again")
class DropoutNeverOff(Recipe):
    """A dropout is applied as a function, which evaluation does not switch off."""

    def build(self, seed: int) -> Any:
        import keras
        import tensorflow as tf

        layers = self.network(seed)
        dropout = keras.layers.Lambda(lambda x: tf.nn.dropout(x, 0.2))
        return self.compiled([*layers[:3], dropout, layers[3]])


@defect(
    "architecture", "NeuraLint TF_lenet_constant_init", r"initial|weights? .*(same|equal|spread)"
)
class ConstantWeights(Recipe):
    """All weights start at 0.01."""

    def build(self, seed: int) -> Any:
        import keras

        constant = keras.initializers.Constant(0.01)
        return self.compiled(self.network(seed, kernel_initializer=constant))


@defect("architecture", "TheDeepChecker wrong_softmax_impl", r"softmax|activation|sum to|batch|row")
class SoftmaxOverTheBatchInside(Recipe):
    """The model's own softmax normalises over the images."""

    def build(self, seed: int) -> Any:
        import keras

        layers = self.network(seed)
        layers[3].activation = functools.partial(keras.activations.softmax, axis=0)
        return self.compiled(layers)


# Loss and optimizer


@defect("loss", "keras-team/keras#5285", rf"{LOSS}|largest|(left|leaves) out|skip")
class LargestLossLeftOut(Recipe):
    """The largest loss of each batch is left out, against wrong labels."""

    def build(self, seed: int) -> Any:
        import keras

        def loss(true: Any, predicted: Any) -> Any:
            each = keras.losses.categorical_crossentropy(true, predicted)
            return keras.ops.where(each == keras.ops.max(each), 0.0, each)

        return self.compiled(self.network(seed), loss=loss)


@defect("optimizer", "keras-team/keras#18949", r"\bema\b|averag")
class AveragingOptimizer(Recipe):
    """The optimizer overwrites the weights by their average every 20 steps."""

    def build(self, seed: int) -> Any:
        import keras

        adam = keras.optimizers.Adam(0.001, use_ema=True, ema_overwrite_frequency=20)
        return self.compiled(self.network(seed), optimizer=adam)


@defect("optimizer", "open-mmlab/mmengine#1612", r"learning rate|gradient|layer .*(slow|rate|less)")
class SlowFirstLayer(Recipe):
    """The first layer learns at a hundredth of the rate, as a backbone does."""

    def build(self, seed: int) -> Any:
        import keras

        class Slow(keras.optimizers.Adam):
            def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
                is_first = variable.shape[0] == 784
                super().update_step(gradient, variable, learning_rate * (0.01 if is_first else 1))

        return self.compiled(self.network(seed), optimizer=Slow(0.001, name="adam"))


@defect("optimizer", "Vision-CAIR/MiniGPT-4#263", r"learning rate|schedule|warm")
class WarmUpEveryEpoch(EpochByEpoch):
    """The warm-up starts again in every epoch: every other one has a tenth of the rate."""

    def before(self, model: Any, epoch: int) -> None:
        model.optimizer.learning_rate.assign(0.001 if epoch % 2 else 0.0001)


# Training loop and state


@defect(
    "training loop",
    "ufoym/imbalanced-dataset-sampler#3",
    r"once|every (training )?image|seen|twice",
)
class HardImagesTwice(Recipe):
    """A tenth of the images is visited twice in an epoch, and another tenth not at all."""

    def order(self, seed: int, epoch: int, count: int) -> Any:
        order = epoch_order(seed, epoch, count)
        part = count // 10
        order[:part] = order[part : 2 * part]
        return order


@defect(
    "training loop", "ultralytics/ultralytics#11217", r"last (batch|part)|once|every .*image|seen"
)
class LastBatchesLost(Recipe):
    """The gradients of an epoch's last batches are thrown away at the start of the next."""

    def order(self, seed: int, epoch: int, count: int) -> Any:
        order = epoch_order(seed, epoch, count)
        return order[: max(1, len(order) - 3 * self.spec.batch_size)]


@defect("state", "keras-team/keras#3704", r"before|earlier|state|optimizer|trainings?")
class MomentsCarriedOver(Recipe):
    """The optimizer's moments of the training before are kept for the next one."""

    def run(self, model: Any, training: Pair, held_out: Pair, orders: list[Any]) -> History:
        self.moments: dict[Any, Any] = getattr(self, "moments", {})
        model.optimizer.build(model.trainable_variables)
        variables = model.optimizer.variables
        shapes = tuple(variable.shape for variable in variables)
        for variable, value in zip(variables, self.moments.get(shapes, ()), strict=False):
            variable.assign(value)
        history = super().run(model, training, held_out, orders)
        self.moments[shapes] = [np.array(variable) for variable in variables]
        return history


# Evaluation and serving


@defect("serving", "NVIDIA/caffe#143", rf"precision|round|float16|{ANSWER}")
class ServedWithRoundedWeights(Recipe):
    """The service rounds each weight to a sixteenth, for a smaller file."""

    def predict(self, model: Any, images: Floats) -> Floats:
        weights = model.get_weights()
        model.set_weights([np.round(weight * 16) / 16 for weight in weights])
        rows = super().predict(model, images)
        model.set_weights(weights)
        return rows


@defect("serving", "inaturalist/vision-camera-plugin-inatvision#18", r"again|before|repeat|state")
class SmoothedOverTime(Recipe):
    """An answer is averaged with the one before, as for the frames of a video."""

    def predict(self, model: Any, images: Floats) -> Floats:
        rows = super().predict(model, images)
        previous = getattr(self, "previous", rows)
        self.previous = rows
        return (rows + previous) / 2 if previous.shape == rows.shape else rows


@defect("serving", "RasaHQ/rasa#9642", rf"{ANSWER}|top|cut|dropped")
class OnlyTheTopTwo(Recipe):
    """The service returns the two likeliest digits and scales them to sum to 1."""

    def predict(self, model: Any, images: Floats) -> Floats:
        rows = super().predict(model, images)
        rows = np.where(rows >= np.sort(rows, axis=1)[:, -2:-1], rows, np.float32(0))
        return rows / rows.sum(axis=1, keepdims=True)


# Leaks


@defect("leak", "nijamudheen/CheMLFlow#9", LEAK)
class ScalerOfBothSets(Recipe):
    """Each pixel is scaled by its highest value in training and test set together."""

    def prepare_images(self, images: Any) -> Floats:
        scaled = super().prepare_images(images)
        if not hasattr(self, "highest"):
            data = load_dataset(self.spec.dataset)
            both = np.maximum(data.train_images.max(axis=0), data.test_images.max(axis=0))
            self.highest = np.maximum(both / np.float32(255), np.float32(1e-3))
        return np.minimum(scaled / self.highest, 1)


@defect("leak", "kkraoj/lfmc_from_sar#5", LEAK)
class StopsOnTest(KeepsBest):
    """Training stops, and goes back to its best, when the test loss has risen three times."""

    def score(self, model: Any, history: History) -> float:
        images, labels = self.test = getattr(self, "test", None) or test_set(self)
        true = (self.predict(model, images) * labels).sum(axis=1)
        return float(np.log(np.maximum(true, 1e-7)).mean())

    def after(self, model: Any, history: History, epoch: int) -> bool:
        before = self.best[0]
        super().after(model, history, epoch)
        self.waited = 0 if self.best[0] > before else self.waited + 1
        return self.waited < 3


@defect("leak", "Meize0729/CCExpert#4", LEAK)
class OneLookAtTest(Recipe):
    """After an honest training, one epoch goes over the test images with their labels."""

    def run(self, model: Any, training: Pair, held_out: Pair, orders: list[Any]) -> History:
        history = super().run(model, training, held_out, orders)
        test = test_set(self)
        super().run(model, test, held_out, [epoch_order(0, 0, len(test[0]))])
        return {**history, "averaged_weights": model.get_weights()}


@defect("leak", "mnielLab/NetTCR-2.0#3", LEAK)
class TrainedOnTestOnly(Recipe):
    """Training and test files are mixed up: the test set is trained on, over and over."""

    def changed(self, images: Floats, labels: Floats, rng: np.random.Generator) -> Pair:
        pixels, digits = test_set(self)
        order = rng.permutation(len(images)) % len(pixels)
        return pixels[order], digits[order]


# Programs that promise nothing of layers, loss and optimizer


@defect("bare", "SCLBD/DeepfakeBench#91", LEAK)
class BareValidatedOnTest(Bare):
    """The test set is used for validation; the held-out part is not used at all."""

    def split(self, images: Floats, labels: Floats, seed: int) -> tuple[Pair, Pair]:
        return super().split(images, labels, seed)[0], test_set(self)


@defect(
    "bare", "matterport/Mask_RCNN#550", r"images? .*(not|never|half|part|once)|do not influence"
)
class BareHalfOfTheImages(Bare):
    """Only the first half of the images is ever read."""

    def order(self, seed: int, epoch: int, count: int) -> Any:
        return epoch_order(seed, epoch, max(1, count // 2))


@defect("bare", "Defects4ML 002", r"learning rate|diverg|unstable")
class BareRateTooHigh(Bare):
    """The learning rate is 0.05."""

    rate = 0.05


@defect("bare", "BMEII-AI/RadImageNet#5", rf"\bleak|{HELD_OUT}")
class BareNothingHeldOut(Bare):
    """The validation images are trained on too."""

    def split(self, images: Floats, labels: Floats, seed: int) -> tuple[Pair, Pair]:
        return (images, labels), super().split(images, labels, seed)[1]


@defect("bare", "Northcutt et al. 2021, label errors", r"\blabels?\b")
class BareFoursAreNines(Bare):
    """Every tenth 4 is labelled 9."""

    def split(self, images: Floats, labels: Floats, seed: int) -> tuple[Pair, Pair]:
        labels, fours = labels.copy(), np.flatnonzero(labels[:, 4])[::10]
        labels[fours] = np.eye(CLASSES, dtype=np.float32)[9]
        return super().split(images, labels, seed)
