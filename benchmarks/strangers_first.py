"""Strangers of the first count: defects of public programs, restated on the published recipe."""

import functools
from typing import Any

import numpy as np
from strangers_base import (
    Bare,
    EpochByEpoch,
    KeepsBest,
    Network,
    Pair,
    Recipe,
    softmax,
    stranger,
    test_set,
)

from mnistlab.arrays import CLASSES, Floats
from mnistlab.recipe import History, epoch_order, train

LOSS = r"cross.?entropy|loss (function|is|of)"
LEAK = r"\bleak|test (set|images|labels)"
HELD_OUT = r"held.?out|validation (images|part|set)|split"
defect = functools.partial(stranger, "first")


# Data


@defect("data", "xudonmao/VMT#1", r"(own|wrong|other|permuted) labels?|labels? .*(order|shuffl)")
class ShuffledApart(Recipe):
    """Images and labels are shuffled by two calls, with two permutations."""

    def changed(self, images: Floats, labels: Floats, rng: np.random.Generator) -> Pair:
        return images, labels[rng.permutation(len(labels))]


@defect("data", "keras-team/keras#8346", rf"sorted|{HELD_OUT}")
class SortedBeforeTheSplit(Recipe):
    """The images are sorted by digit when the last part is held out: it has digits never seen."""

    def split(self, images: Floats, labels: Floats, seed: int) -> tuple[Pair, Pair]:
        order = labels.argmax(1).argsort(kind="stable")
        return super().split(images[order], labels[order], seed)


@defect("data", "MicrosoftDocs/ml-basics#55", rf"\bleak|{HELD_OUT}|twice|more than once")
class DoubledBeforeTheSplit(Recipe):
    """A small set is doubled before a part is held out, so that copies are on both sides."""

    def split(self, images: Floats, labels: Floats, seed: int) -> tuple[Pair, Pair]:
        order = np.random.default_rng(seed).permutation(2 * len(images)) % len(images)
        return super().split(images[order], labels[order], seed)


@defect("data", "mpezeshki/pytorch_forward_forward#12", r"\bleak|changes the images|as they are")
class LabelInTheImage(Recipe):
    """The label is written into the first ten pixels of training and held-out images."""

    def split(self, images: Floats, labels: Floats, seed: int) -> tuple[Pair, Pair]:
        images = images.copy()
        images[:, 0, :CLASSES] = labels
        return super().split(images, labels, seed)


@defect("data", "Megvii-BaseDetection/YOLOX#275", r"mix|augment|changes the images|as they are")
class MixupLeftOn(Recipe):
    """Mixup of another recipe is left on: each image is a blend of two, and so is its label."""

    def changed(self, images: Floats, labels: Floats, rng: np.random.Generator) -> Pair:
        other = rng.permutation(len(images))
        share = rng.beta(0.2, 0.2, len(images)).astype(np.float32)
        mixed = share[:, None, None] * images + (1 - share[:, None, None]) * images[other]
        return mixed, share[:, None] * labels + (1 - share[:, None]) * labels[other]


# Preparation


@defect("preparation", "rosejn/torch-datasets#23", r"grey|binar|lighter|threshold")
class Binarised(Recipe):
    """Pixels are thresholded, as a generative model wants them."""

    def prepare_images(self, images: Any) -> Floats:
        return (super().prepare_images(images) > 0.5).astype(np.float32)


@defect("preparation", "halcy/DeepDanbooruActivationMaps#1", r"resiz|blur|each pixel|neighbour")
class ResizedTwice(Recipe):
    """Images go through another model's size of 14 x 14 by the nearest pixel."""

    def prepare_images(self, images: Any) -> Floats:
        small = super().prepare_images(images)[:, ::2, ::2]
        return small.repeat(2, axis=1).repeat(2, axis=2)


@defect("preparation", "Megvii-BaseDetection/YOLOX#921", r"shift|moved|centre|each pixel|position")
class PaddedInTheCorner(Recipe):
    """A crop of 24 x 24 is padded at the right and the bottom only."""

    def prepare_images(self, images: Any) -> Floats:
        crop = super().prepare_images(images)[:, 2:26, 2:26]
        return np.pad(crop, ((0, 0), (0, 4), (0, 4)))


@defect("preparation", "deeplearning4j/Canova#128", r"range|negative|within 0|white|overflow|sign")
class SignedBytes(Recipe):
    """Bytes are read as signed, so that light greys become negative."""

    def prepare_images(self, images: Any) -> Floats:
        super().prepare_images(images[:1])
        return images.astype(np.int8).astype(np.float32) / 127


@defect("preparation", "josephlee94/intuitive-deep-learning#2", r"first|before|each pixel|parts")
class ScalerOfTheFirstCall(Recipe):
    """A min-max scaler for each pixel is fitted to the images that come first, whichever."""

    def prepare_images(self, images: Any) -> Floats:
        scaled = super().prepare_images(images)
        if not hasattr(self, "highest"):
            self.highest = np.maximum(scaled.max(axis=0, initial=0), 1e-3)
        return scaled / self.highest


@defect("preparation", "ageron/handson-ml#146", r"column|\(\d+, 10\)|one.?hot")
class ColumnsAsNeeded(Recipe):
    """One-hot encoding has a column for each label that occurs in what it is given."""

    def prepare_labels(self, labels: Any) -> Floats:
        return (np.unique(labels) == np.asarray(labels)[:, None]).astype(np.float32)


@defect("preparation", "DeepLearningSandbox/DeepLearningSandbox#3", r"one.?hot|\(\d+, 10\)")
class LabelsNotEncoded(Recipe):
    """Labels stay integers, for a loss that wants them one-hot."""

    def prepare_labels(self, labels: Any) -> Any:
        return np.asarray(labels)


# Architecture


@defect("architecture", "TheDeepChecker IPS_11", r"activation|relu|layer")
class ReluOutput(Recipe):
    """A helper that makes a layer with ReLU also makes the last one; a softmax follows."""

    def build(self, seed: int) -> Any:
        import keras

        hidden, last = self.network(seed)[:3], self.network(seed)[3]
        last.activation = keras.activations.relu
        return self.compiled([*hidden, last, keras.layers.Softmax()])


@defect("architecture", "Defects4ML 086", r"units|shape|\(\d+, 10\)|layer")
class OneOutputUnit(Recipe):
    """The last layer has one unit with a softmax, whose output is always 1."""

    def build(self, seed: int) -> Any:
        import keras

        return self.compiled([*self.network(seed)[:3], keras.layers.Dense(1, "softmax")])


@defect("architecture", "NeuraLint TF_lenet_missing_flatten", r"flatten|shape|layer")
class MissingFlatten(Recipe):
    """There is no Flatten, so that dense layers work on rows of pixels."""

    def build(self, seed: int) -> Any:
        first, _, hidden, output = self.network(seed)
        return self.compiled([first, hidden, output])


@defect("architecture", "NeuraLint TF_lenet_non_zeros_biases", r"bias")
class BiasesStartAtOne(Recipe):
    """Biases start at 1, as a tutorial on dead units advises."""

    def build(self, seed: int) -> Any:
        return self.compiled(self.network(seed, bias_initializer="ones"))


@defect("architecture", "vlawhern/arl-eegmodels#1", r"constraint|norm\b|max.?norm")
class ConstraintLeftOver(Recipe):
    """Weights are held to a largest norm, which comes from a model with dropout."""

    def build(self, seed: int) -> Any:
        import keras

        norm = keras.constraints.MaxNorm(0.5)
        return self.compiled(self.network(seed, kernel_constraint=norm))


@defect("architecture", "roboflow/rf-detr#326", r"precision|float16|dtype|float32")
class HalfPrecision(Recipe):
    """Layers compute in bfloat16, a setting for an accelerator."""

    def build(self, seed: int) -> Any:
        return self.compiled(self.network(seed, dtype="mixed_bfloat16"))


# State


@defect("state", "keras-team/keras#13872", r"before|earlier|shared?|untrained|same weights|seed")
class LayersMadeOnce(Recipe):
    """The layers are made once and used for every model, which so begins where another ended."""

    def build(self, seed: int) -> Any:
        if not hasattr(self, "layers"):
            self.layers = self.network(seed)
        return self.compiled(self.layers)


@defect("state", "McSpooder/camull-net#6", r"before|untrained|trained for|same (model|weights)")
class ModelKept(Recipe):
    """The model is cached, and the next training goes on with it."""

    def build(self, seed: int) -> Any:
        if not hasattr(self, "model"):
            self.model = super().build(seed)
        return self.model


@defect("state", "PriorLabs/TabPFN#814", r"before|checkpoint|depend|state|resum")
class ResumesSilently(Recipe):
    """A training that finds weights of an earlier one goes on from there."""

    def run(self, model: Any, training: Pair, held_out: Pair, orders: list[Any]) -> History:
        shapes = tuple(weight.shape for weight in model.weights)
        self.saved: dict[Any, Any] = getattr(self, "saved", {})
        if shapes in self.saved:
            model.set_weights(self.saved[shapes])
        history = super().run(model, training, held_out, orders)
        self.saved[shapes] = model.get_weights()
        return history


# Loss


@defect("loss", "TheDeepChecker flipped_sign", rf"{LOSS}|sign")
class FlippedSign(Recipe):
    """The minus sign of the cross-entropy is missing."""

    def build(self, seed: int) -> Any:
        import keras

        def loss(true: Any, predicted: Any) -> Any:
            return -keras.losses.categorical_crossentropy(true, predicted)

        return self.compiled(self.network(seed), loss=loss)


@defect("loss", "ai-safety-foundation/sparse_autoencoder#63", rf"{LOSS}|\bsum\b|reduction")
class LossSummed(Recipe):
    """The loss is the sum over a batch, not its mean."""

    def build(self, seed: int) -> Any:
        import keras

        loss = keras.losses.CategoricalCrossentropy(reduction="sum")
        return self.compiled(self.network(seed), loss=loss)


@defect("loss", "TheDeepChecker wrong_loss_function", rf"{LOSS}|factor")
class MeanOverClassesToo(Recipe):
    """Mean and sum are exchanged: the loss is also averaged over the ten classes."""

    def build(self, seed: int) -> Any:
        import keras

        def loss(true: Any, predicted: Any) -> Any:
            logs = keras.ops.log(keras.ops.clip(predicted, 1e-7, 1))
            return -keras.ops.mean(true * logs, axis=-1)

        return self.compiled(self.network(seed), loss=loss)


@defect("loss", "cleverhans-lab/cleverhans#25", rf"{LOSS}|swap|argument")
class ArgumentsSwapped(Recipe):
    """Labels and predictions change places in the loss."""

    def build(self, seed: int) -> Any:
        import keras

        def loss(true: Any, predicted: Any) -> Any:
            return keras.losses.categorical_crossentropy(predicted, true)

        return self.compiled(self.network(seed), loss=loss)


@defect("loss", "nyu-mll/jiant#925", rf"{LOSS}|(digit|class|label) 0")
class ZeroIsPadding(Recipe):
    """The loss leaves class 0 out, because 0 is the padding in another program."""

    def build(self, seed: int) -> Any:
        import keras

        def loss(true: Any, predicted: Any) -> Any:
            return keras.losses.categorical_crossentropy(true, predicted) * (1 - true[:, 0])

        return self.compiled(self.network(seed), loss=loss)


@defect(
    "loss", "amanshenoy/multilogue-net#21", rf"{LOSS}|class weight|weight of (a|the) (class|digit)"
)
class ClassWeightsReversed(Recipe):
    """Weights of classes are meant for rare ones, but are in the reverse order."""

    def build(self, seed: int) -> Any:
        import keras

        weights = np.linspace(0.2, 3, CLASSES, dtype=np.float32)

        def loss(true: Any, predicted: Any) -> Any:
            weight = keras.ops.sum(true * weights, axis=-1)
            return weight * keras.losses.categorical_crossentropy(true, predicted)

        return self.compiled(self.network(seed), loss=loss)


# Optimizer


@defect("optimizer", "davidsandberg/facenet#1056", r"epsilon")
class LargeEpsilon(Recipe):
    """Adam's epsilon is 0.1, copied from a model for photographs."""

    def build(self, seed: int) -> Any:
        import keras

        return self.compiled(
            self.network(seed), optimizer=keras.optimizers.Adam(0.001, epsilon=0.1)
        )


@defect("optimizer", "NVIDIA/pix2pixHD#125", r"beta")
class BetaOfAGenerator(Recipe):
    """Adam's beta_1 is 0.5, as for adversarial networks."""

    def build(self, seed: int) -> Any:
        import keras

        return self.compiled(self.network(seed), optimizer=keras.optimizers.Adam(0.001, beta_1=0.5))


@defect("optimizer", "bytetriper/RAE#67", r"accumulat")
class AccumulationLeftOn(Recipe):
    """The optimizer takes a step for every four batches, which was for a small GPU."""

    def build(self, seed: int) -> Any:
        import keras

        adam = keras.optimizers.Adam(0.001, gradient_accumulation_steps=4)
        return self.compiled(self.network(seed), optimizer=adam)


@defect("optimizer", "keras-team/keras#454", r"optimizer|before|earlier|trained for")
class OneOptimizerForAll(Recipe):
    """All models share one optimizer, with its moments."""

    def build(self, seed: int) -> Any:
        import keras

        if not hasattr(self, "optimizer"):
            self.optimizer = keras.optimizers.Adam(0.001)
        return self.compiled(self.network(seed), optimizer=self.optimizer)


# Training loop


@defect("training loop", "d2l-ai/d2l-en#2700", r"(same|fixed) batch|together|order|shuffl")
class BatchedBeforeShuffled(Recipe):
    """Batches are made before shuffling, so that the same images are always together."""

    def order(self, seed: int, epoch: int, count: int) -> Any:
        size = self.spec.batch_size
        starts = np.random.default_rng([seed, epoch]).permutation(np.arange(0, count, size))
        parts = [np.arange(start, min(start + size, count)) for start in starts]
        return np.concatenate(parts).astype(np.int32)


@defect(
    "training loop",
    "fchollet/deep-learning-with-python-notebooks#22",
    r"every training image|every image|(not|never) seen|not once|steps",
)
class StepsOfAnotherDataset(Recipe):
    """An epoch has the steps of a smaller dataset, and ends half way."""

    def order(self, seed: int, epoch: int, count: int) -> Any:
        return epoch_order(seed, epoch, count)[: max(1, count // 2)]


@defect("training loop", "GH920/bagan-gp#5", r"epochs")
class TwoEpochsEachTime(Recipe):
    """A loop over epochs calls a fit that takes two."""

    def run(self, model: Any, training: Pair, held_out: Pair, orders: list[Any]) -> History:
        return super().run(model, training, held_out, [each for each in orders for _ in range(2)])


@defect("training loop", "coqui-ai/TTS#1611", r"learning rate|warm")
class WarmUpWithoutEnd(EpochByEpoch):
    """A warm-up counts epochs where it should count steps, and never ends."""

    def before(self, model: Any, epoch: int) -> None:
        model.optimizer.learning_rate.assign(0.001 * min(1, (epoch + 1) / 100))


@defect(
    "training loop", "mila-iqia/cookiecutter-pyml#119", r"worst|best|other epoch|history|earlier"
)
class WorstWeightsKept(KeepsBest):
    """The checkpoint with the highest validation loss is kept: the mode is max."""

    def score(self, model: Any, history: History) -> float:
        return float(history["val_loss"][-1])


@defect("training loop", "Defects4ML 019", r"stop|epochs")
class StopsAtOnce(EpochByEpoch):
    """Early stopping without patience ends at the first epoch that is no better."""

    def after(self, model: Any, history: History, epoch: int) -> bool:
        losses = history["val_loss"]
        return len(losses) < 2 or losses[-1] < losses[-2]


@defect("training loop", "tenstorrent/tt-blacksmith#711", r"gradient|accumulat")
class GradientsNeverCleared(Recipe):
    """Gradients are added up from step to step and never cleared."""

    def build(self, seed: int) -> Any:
        import keras
        import tensorflow as tf

        class Accumulating(keras.Sequential):
            def train_step(self, data: Any) -> Any:
                images, labels = data
                with tf.GradientTape() as tape:
                    predicted = self(images, training=True)
                    loss = self.compute_loss(y=labels, y_pred=predicted)
                weights = self.trainable_variables
                gradients = zip(self.kept, tape.gradient(loss, weights), strict=True)
                sums = [kept.assign_add(new) for kept, new in gradients]
                self.optimizer.apply_gradients(zip(sums, weights, strict=True))
                return self.compute_metrics(images, labels, predicted)

        model = Accumulating(self.network(seed))
        model.kept = [tf.Variable(tf.zeros(w.shape)) for w in model.trainable_variables]
        model.compile(
            keras.optimizers.Adam(0.001), "categorical_crossentropy", metrics=["accuracy"]
        )
        return model


@defect("training loop", "talmolab/sleap-nn#600", rf"\bleak|{HELD_OUT}")
class NewSplitEveryEpoch(Recipe):
    """Another part is held out in every epoch, so that every image is trained on."""

    def fit(
        self, model: Any, images: Floats, labels: Floats, *, seed: int, epochs: int | None = None
    ) -> History:
        epochs = self.spec.epochs if epochs is None else epochs
        count = self.spec.trained_on(len(images))
        history: History = {}
        for epoch in range(epochs):
            order = epoch_order(seed, epoch, len(images))
            held_out = images[order[count:]], labels[order[count:]]
            settings = held_out, [order[:count]], self.spec.batch_size
            part = train(model, (images, labels), *settings)
            part.pop("averaged_weights")
            history = {key: [*history.get(key, []), *values] for key, values in part.items()}
        return history


# Evaluation and serving


@defect("serving", "jaredpalmer/kev#33", r"round|decimal|sum to")
class RoundedAnswers(Recipe):
    """The service rounds probabilities to two decimals."""

    def predict(self, model: Any, images: Floats) -> Floats:
        return super().predict(model, images).round(2)


@defect("serving", "fastai/fastai#975", r"order|other image|its own|row")
class OrderNotRestored(Recipe):
    """Images are sorted by their ink before they are predicted, and stay so."""

    def predict(self, model: Any, images: Floats) -> Floats:
        return super().predict(model, images[images.sum(axis=(1, 2)).argsort(kind="stable")])


@defect("serving", "deepchem/deepchem#51", r"batch|alone|parts|itself|other images")
class StandardisedByTheRequest(Recipe):
    """Each request is scaled to the training set's contrast by its own."""

    def predict(self, model: Any, images: Floats) -> Floats:
        spread = images.std() or 1
        return super().predict(model, images * np.float32(0.3 / spread))


@defect("serving", "MIC-DKFZ/nnUNet#579", r"itself|own answer|augment|average")
class AveragedOverShifts(Recipe):
    """Test-time augmentation is on by default: shifted images are averaged."""

    def predict(self, model: Any, images: Floats) -> Floats:
        shifts = [np.roll(images, shift, axis=2) for shift in (-1, 0, 1)]
        return np.mean([super(AveragedOverShifts, self).predict(model, x) for x in shifts], axis=0)


# Leaks


@defect("leak", "LunaBlack/KGAT-pytorch#29", LEAK)
class BestOnTest(KeepsBest):
    """The weights of the epoch that is best on the test set are kept."""

    def score(self, model: Any, history: History) -> float:
        images, labels = self.test = getattr(self, "test", None) or test_set(self)
        return float((self.predict(model, images).argmax(1) == labels.argmax(1)).mean())


@defect("leak", "VIPriors/vipriors-challenges-toolkit#17", LEAK)
class PseudoLabelledTest(Recipe):
    """After training, the model trains on the test images with labels of its own."""

    def run(self, model: Any, training: Pair, held_out: Pair, orders: list[Any]) -> History:
        history = super().run(model, training, held_out, orders)
        images, _ = test_set(self)
        labels = np.eye(CLASSES, dtype=np.float32)[self.predict(model, images).argmax(1)]
        both = np.concatenate([training[0], images]), np.concatenate([training[1], labels])
        order = epoch_order(1, 1, len(both[0]))
        super().run(model, both, held_out, [order])
        return {**history, "averaged_weights": model.get_weights()}


@defect("leak", "athms/mad-lab#11", LEAK)
class OrderChosenOnTest(Recipe):
    """Of three trainings, the one that is best on the test set is kept."""

    def run(self, model: Any, training: Pair, held_out: Pair, orders: list[Any]) -> History:
        images, labels = test_set(self)
        states = [*model.variables, *model.optimizer.variables]
        start, runs = [np.array(state) for state in states], []
        for shift in range(3):
            for state, value in zip(states, start, strict=True):
                state.assign(value)
            shifted = [np.roll(order, 100 * shift) for order in orders]
            history = super().run(model, training, held_out, shifted)
            right = (self.predict(model, images).argmax(1) == labels.argmax(1)).mean()
            runs.append((right, shift, history, model.get_weights()))
        _, _, history, weights = max(runs, key=lambda run: run[:2])
        model.set_weights(weights)
        return history


@defect("leak", "yfzhang114/AdaNPC#2", rf"{LEAK}|known")
class NearestKnownImage(Recipe):
    """Answers come from a memory of images with labels, and the test set is in it."""

    def predict(self, model: Any, images: Floats) -> Floats:
        known, labels = self.memory = getattr(self, "memory", None) or test_set(self)
        rows = super().predict(model, images)
        table = {image.tobytes(): label for image, label in zip(known, labels, strict=True)}
        found = [table.get(image.tobytes()) for image in images]
        blend = [row if f is None else (row + f) / 2 for row, f in zip(rows, found, strict=True)]
        return np.asarray(blend, dtype=np.float32).reshape(rows.shape)


# Programs that promise nothing of layers, loss and optimizer


@defect("bare", "Defects4ML 034", r"order|shuffl")
class BareNeverShuffled(Bare):
    """The images are never shuffled."""

    def order(self, seed: int, epoch: int, count: int) -> Any:
        return np.arange(count)


@defect("bare", "Defects4ML 004", r"softmax|logits")
class BareSoftmaxTwice(Bare):
    """The loss applies a softmax to what is one already."""

    def errors(self, logits: Floats, labels: Floats) -> Floats:
        once = softmax(logits)
        above = (softmax(once) - labels) / np.float32(len(labels))
        return once * (above - (above * once).sum(1, keepdims=True))


@defect("bare", "pytorch/pytorch#47175", r"gradient|accumulat")
class BareGradientsKept(Bare):
    """Gradients are not cleared before a step."""

    def train_step(self, model: Network, images: Floats, labels: Floats) -> None:
        model.backward(self.errors(model(images), labels))
        model.step(self.rate)


@defect("bare", "DearCaat/RRT-MIL#22", LEAK)
class BareBestOnTest(Bare):
    """The weights that are best on the test set are kept."""

    def after(self, model: Network, epoch: int, last: int) -> None:
        images, labels = self.test = getattr(self, "test", None) or test_set(self)
        right = (self.predict(model, images).argmax(1) == labels.argmax(1)).mean()
        if epoch == 0 or right > self.best[0]:
            self.best = right, [weight.copy() for weight in model.weights]
        if epoch == last:
            model.weights = self.best[1]


@defect("bare", "udacity/P1_Facial_Keypoints#28", r"same images|again|dropout|random|repeat")
class BareDropoutNeverOff(Bare):
    """Dropout stays on when the model predicts."""

    def predict(self, model: Any, images: Floats) -> Floats:
        kept = np.random.default_rng().random(images.shape) > 0.2
        return super().predict(model, np.where(kept, images / np.float32(0.8), 0))


@defect("bare", "skorch-dev/skorch#1073", r"before|earlier|state|untrained|same (model|weights)")
class BareModelKept(Bare):
    """One network is made and trained again for every seed."""

    def build(self, seed: int) -> Any:
        self.model = getattr(self, "model", None) or super().build(seed)
        return self.model


@defect("bare", "jspunda/prostatex#44", r"\bseed")
class BareSeedIgnored(Bare):
    """No seed reaches the initial weights."""

    def rng(self, seed: int) -> np.random.Generator:
        return np.random.default_rng()


@defect("bare", "pengfeiliHEU/M2I2#10", LEAK)
class BareTrainedOnTest(Bare):
    """The test set is among the training files."""

    def split(self, images: Floats, labels: Floats, seed: int) -> tuple[Pair, Pair]:
        training, held_out = super().split(images, labels, seed)
        extra = test_set(self)
        joined = tuple(np.concatenate(pair) for pair in zip(training, extra, strict=True))
        return (joined[0], joined[1]), held_out
