"""Every probe catches a pipeline that is broken in its way, and passes a healthy one."""

import dataclasses
import importlib.util

import numpy as np
import pytest

from mnistlab.environment import suite_folder
from mnistlab.errors import NotJudgedError
from mnistlab.faults import CATALOGUE
from mnistlab.probes import leaks, linear_models
from mnistlab.probes import model as model_probes
from mnistlab.recipe import training as engine
from mnistlab.recipe.pipeline import Pipeline
from mnistlab.recipe.spec import Spec

SMALL = Spec(batch_size=4, epochs=3)
COUNT = 34  # 27 images to train on: six batches and a smaller one
TRAINED = 27
RNG = np.random.default_rng(0)
IMAGES = RNG.random((COUNT, 28, 28)).astype(np.float32)
LABELS = np.eye(10, dtype=np.float32)[np.arange(COUNT) % 10]


class _Engine(Pipeline):
    """The project's own training."""

    spec = SMALL


class _KerasFit(Pipeline):
    """Training in Keras's own loop, over a tf.data pipeline that reshuffles for every epoch."""

    spec = SMALL
    shuffles, drops, enlarged = True, False, 1

    def fit(self, model, images, labels, *, seed, epochs=None):
        count = int(len(images) * (1 - self.spec.validation_split))
        model.run_eagerly = True  # a few steps are done before they would be traced
        batches = self.batches(images[:count], labels[:count], seed)
        return model.fit(
            batches, epochs=self.spec.epochs if epochs is None else epochs, shuffle=False, verbose=0
        ).history

    def batches(self, images, labels, seed):
        import tensorflow as tf

        pairs = tf.data.Dataset.from_tensor_slices((images, labels))
        if self.shuffles:
            pairs = pairs.shuffle(len(images), seed=seed)
        return pairs.batch(self.spec.batch_size * self.enlarged, drop_remainder=self.drops)


class _SeededFit(_KerasFit):
    def fit(self, model, images, labels, *, seed, epochs=None):
        import keras

        keras.utils.set_random_seed(seed)
        model.run_eagerly = True
        split, size = self.spec.validation_split, self.spec.batch_size
        return model.fit(images, labels, size, epochs, verbose=0, validation_split=split).history


class _NeverShuffles(_KerasFit):
    shuffles = False


class _DropsTheRest(_KerasFit):
    drops = True


class _LargerBatches(_KerasFit):
    enlarged = 2


class _TrainsOnEverything(_KerasFit):
    def fit(self, model, images, labels, *, seed, epochs=None):
        more = -(-len(images) * 5 // 4)
        images, labels = np.resize(images, (more, 28, 28)), np.resize(labels, (more, 10))
        return super().fit(model, images, labels, seed=seed, epochs=epochs)


class _ShiftsLabels(_KerasFit):
    def batches(self, images, labels, seed):
        return super().batches(images, np.roll(labels, 1, axis=0), seed)


class _SmoothsLabels(_KerasFit):
    def batches(self, images, labels, seed):
        return super().batches(images, 0.9 * labels + 0.01, seed)


class _SkipsThrees(_KerasFit):
    def batches(self, images, labels, seed):
        kept = labels[:, 3] == 0
        return super().batches(images[kept], labels[kept], seed)


class _LowersTheRate(_KerasFit):
    def fit(self, model, images, labels, *, seed, epochs=None):
        for _ in range(epochs):
            super().fit(model, images, labels, seed=seed, epochs=1)
            model.optimizer.learning_rate.assign(model.optimizer.learning_rate * 0.5)


class _SetsAnotherRate(_KerasFit):
    def fit(self, model, images, labels, *, seed, epochs=None):
        model.optimizer.learning_rate.assign(0.002)
        return super().fit(model, images, labels, seed=seed, epochs=epochs)


class _Momentum(_KerasFit):
    """Another healthy recipe, whose steps are not of one length."""

    spec = dataclasses.replace(SMALL, optimizer="sgd", learning_rate=0.05)

    def build(self, seed):
        import keras

        model = super().build(seed)
        model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss="categorical_crossentropy")
        return model


class _ForgetsTheFirst(_Engine):
    """Shows the first image at every step of the first epoch, and not at all in the second."""

    def fit(self, model, images, labels, *, seed, epochs=None):
        orders = [
            np.arange(TRAINED, dtype=np.int32),
            np.maximum(np.arange(TRAINED, dtype=np.int32), 1),
        ]
        orders[0][::4] = 0
        return engine.train(model, (images, labels), None, orders[:epochs], self.spec.batch_size)


class _Published(_KerasFit):
    """The recipe with its own batches."""

    spec = Spec()


class _StartsAtZero(_Published):
    def build(self, seed):
        model = super().build(seed)
        model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
        return model


class _FreezesTheFirstLayer(_Published):
    def build(self, seed):
        model = super().build(seed)
        model.layers[1].trainable = False
        model.compile(model.optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
        return model


class _KnowsTheDigits(_Engine):
    """Its training labels come from elsewhere: here, from a stripe in the image."""

    def fit(self, model, images, labels, *, seed, epochs=None):
        return super().fit(
            model, images, np.eye(10, dtype=np.float32)[stripes(images)], seed=seed, epochs=30
        )


def stripes(images):
    return images[:, :10].sum(axis=2).argmax(axis=1)


def striped(count):
    images = np.zeros((count, 28, 28), dtype=np.float32)
    images[np.arange(count), np.arange(count) % 10] = 1
    return images


def suite_module(name):
    """Import a module of the suite, without pytest."""
    spec = importlib.util.spec_from_file_location(name, suite_folder() / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recorded(pipeline, epochs=1):
    return linear_models.record_epochs(pipeline, seed=0, count=COUNT, epochs=epochs)


def images_by_step(steps):
    return np.bincount(steps[:TRAINED][steps[:TRAINED] != linear_models.NOT_SEEN]).tolist()


@pytest.mark.parametrize(("healthy", "epochs"), [(_Engine, 3), (_KerasFit, 2)])
def test_healthy_training_shows_every_image_once_in_a_fresh_order(healthy, epochs):
    for steps in (found := recorded(healthy(), epochs)):
        assert images_by_step(steps) == [4] * 6 + [3]
        assert (steps[TRAINED:] == linear_models.NOT_SEEN).all()
    assert len({steps.tobytes() for steps in found}) == epochs


@pytest.mark.parametrize("broken", [_SeededFit, _NeverShuffles])
def test_an_order_that_repeats_is_caught(broken):
    first, second = recorded(broken(), epochs=2)
    np.testing.assert_array_equal(first, second)


def test_the_advice_on_an_order_that_repeats_runs_and_gives_fresh_orders():
    class Advised(_Engine):
        def fit(self, model, images, labels, *, seed, epochs=None):
            import tensorflow as tf

            n, model.run_eagerly = self.spec.trained_on(len(images)), True
            lines = [line.strip() for line in suite_module("test_fit").FRESH_ORDER.splitlines()[1:]]
            assert len(lines) == 3
            code = "\n".join(lines).replace("32", str(self.spec.batch_size))
            names = {"images": images, "labels": labels, "n": n, "seed": seed}
            exec(code, {**names, "tf": tf, "model": model, "epochs": epochs})

    first, second = recorded(Advised(), epochs=2)
    assert images_by_step(first) == images_by_step(second) == [4] * 6 + [3]
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("image_range", [(-0.5, 0.5), (-0.42, 2.82), (0, 255), None])
def test_images_of_the_promised_range_record_the_order_as_those_of_0_to_1_do(image_range):
    class Checks(_Engine):
        spec = dataclasses.replace(SMALL, image_range=image_range)

        def fit(self, model, images, labels, *, seed, epochs=None):
            low, high = image_range or (0, 1)
            assert images.min() >= low
            assert images.max() <= high
            return super().fit(model, images, labels, seed=seed, epochs=epochs)

    np.testing.assert_array_equal(recorded(Checks()), recorded(_Engine()))
    assert linear_models.batch_size_seen(Checks(), seed=0) == pytest.approx(4, rel=1e-4)
    assert linear_models.coverage_error(Checks(), seed=0, count=1000) == 0
    assert model_probes.unmoved_parameters(Checks(), LABELS, seed=0)[1:] != []


def test_images_that_cannot_be_0_record_nothing():
    with pytest.raises(NotJudgedError, match=r"prepared images, 0.5 to 1.5, cannot be 0"):
        linear_models.pixel_range(Spec(image_range=(0.5, 1.5)))


def test_few_images_chosen_evenly_have_every_digit():
    labels = np.eye(10, dtype=np.float32)[np.repeat(np.arange(10), 5)]
    assert labels[model_probes.evenly(labels, 10)].sum(axis=0).tolist() == [1] * 10
    assert labels[model_probes.evenly(labels, 32)].sum(axis=0).tolist() == [4, 4] + [3] * 8


def test_columns_are_found_from_what_a_training_predicts():
    order = [0, 2, 3, 4, 5, 6, 7, 8, 9, 1]
    probabilities = 0.7 * LABELS + 0.03
    probabilities[:, order] = probabilities.copy()
    assert model_probes.columns_of_digits(probabilities, LABELS) == order
    with pytest.raises(NotJudgedError, match="knows too little to tell which column"):
        model_probes.columns_of_digits(np.full_like(LABELS, 0.1), LABELS)


def test_training_without_shuffling_is_recorded_in_the_order_of_the_images():
    assert recorded(_NeverShuffles())[0][:TRAINED].tolist() == [i // 4 for i in range(TRAINED)]


def test_an_image_that_an_epoch_leaves_out_is_not_seen_again_from_the_epoch_before():
    first, second = (steps[0] for steps in recorded(_ForgetsTheFirst(), epochs=2))
    assert first != linear_models.NOT_SEEN
    assert second == linear_models.NOT_SEEN


def test_a_dropped_last_batch_is_caught():
    assert images_by_step(recorded(_DropsTheRest())[0]) == [4] * 6


def test_another_batch_size_is_caught():
    assert len(images_by_step(recorded(_LargerBatches())[0])) < 7


def test_training_on_what_is_held_out_is_caught():
    assert (recorded(_TrainsOnEverything())[0][TRAINED:] != linear_models.NOT_SEEN).any()


@pytest.mark.parametrize("healthy", [_Engine, _KerasFit])
def test_healthy_training_uses_every_images_own_label(healthy):
    seen = linear_models.labels_seen(healthy(), seed=0, count=COUNT)
    assert seen[:TRAINED].tolist() == [i % 10 for i in range(TRAINED)]
    assert (seen[TRAINED:] == linear_models.NOT_SEEN).all()


@pytest.mark.parametrize(
    ("broken", "wrong"),
    [
        pytest.param(_ShiftsLabels, TRAINED, id="shifted"),
        pytest.param(_SmoothsLabels, TRAINED, id="smoothed"),
        pytest.param(_SkipsThrees, 3, id="without-threes"),
    ],
)
def test_labels_that_training_changes_are_caught(broken, wrong):
    seen = linear_models.labels_seen(broken(), seed=0, count=COUNT)[:TRAINED]
    assert (seen != np.arange(TRAINED) % 10).sum() == wrong


@pytest.mark.parametrize(
    ("pipeline", "first", "last"),
    [
        pytest.param(_Engine, 0.001, 0.001, id="engine"),
        pytest.param(_Momentum, 0.05, 0.05, id="momentum"),
        pytest.param(_LowersTheRate, 0.001, 0.00025, id="lowered"),
        pytest.param(_SetsAnotherRate, 0.002, 0.002, id="set"),
    ],
)
def test_learning_rate_is_measured_as_it_is_during_training(pipeline, first, last):
    np.testing.assert_allclose(
        linear_models.learning_rates(pipeline(), seed=0), (first, last), rtol=1e-3
    )


@pytest.mark.parametrize("pipeline", [_Engine, _KerasFit])
def test_weights_follow_the_training_images_and_not_those_held_out(pipeline):
    changed, held_out = IMAGES.copy(), IMAGES.copy()
    changed[TRAINED - 1], held_out[TRAINED:] = 1 - changed[TRAINED - 1], 0
    weights = [
        model_probes.weights_after(pipeline(), IMAGES, (images, LABELS), 0, 0)[0]
        for images in (IMAGES, changed, held_out)
    ]
    assert not np.array_equal(weights[0], weights[1])
    np.testing.assert_array_equal(weights[0], weights[2])


def test_parameters_without_a_gradient_are_caught():
    labels = np.eye(10, dtype=np.float32)[np.arange(640) % 10]
    assert sum(model_probes.unmoved_parameters(_Published(), labels, seed=0)) <= 10
    assert model_probes.unmoved_parameters(_StartsAtZero(), labels, seed=0)[:3] == [
        784 * 128,
        128,
        1280,
    ]
    assert model_probes.unmoved_parameters(_FreezesTheFirstLayer(), labels, seed=0)[:2] == [
        784 * 128,
        128,
    ]


def test_training_that_knows_the_digits_whatever_its_labels_is_caught():
    images, labels = striped(COUNT), LABELS
    honest, peeking = (
        pipeline.predict(leaks.fit_permuted(pipeline, images, labels, seed=0), striped(100)).argmax(
            1
        )
        for pipeline in (_Engine(), _KnowsTheDigits())
    )
    assert (honest == np.arange(100) % 10).mean() < 0.5
    assert (peeking == np.arange(100) % 10).mean() > 0.9


def test_dead_units_are_found_among_the_hidden_ones():
    model = Pipeline().build(0)
    kernel, bias, *output = model.get_weights()
    assert model_probes.dead_units(model, IMAGES).mean() < 0.5
    bias[:96] = -1000
    model.set_weights([kernel, bias, *output])
    assert model_probes.dead_units(model, IMAGES)[:96].all()


def test_norms_are_those_of_each_layer_with_weights():
    model = Pipeline().build(0)
    model.set_weights([np.full_like(weight, 2) for weight in model.get_weights()])
    np.testing.assert_allclose(model_probes.weight_norms(model), [2 * 100480**0.5, 2 * 1290**0.5])


def small(name):
    """Return a pipeline of the catalogue, or the published one, with small batches."""
    pipeline = CATALOGUE[name].pipeline() if name else Pipeline()
    pipeline.spec = SMALL
    return pipeline


def test_the_last_steps_of_a_healthy_training_come_from_everywhere():
    place = linear_models.mean_position_of_last_steps(small(None), seed=0, count=2000)
    assert abs(place - 0.5) < 5 * (1 / 12 / 12) ** 0.5


@pytest.mark.parametrize(
    ("name", "count"), [("no-shuffling", 2000), ("shuffle-buffer-too-small", 6000)]
)
def test_the_last_steps_of_an_order_that_is_the_datas_come_from_its_end(name, count):
    assert linear_models.mean_position_of_last_steps(small(name), seed=0, count=count) > 0.7


@pytest.mark.parametrize(
    "name", [None, "history-of-another-run", "early-weights-returned", "no-validation"]
)
def test_the_history_is_compared_with_the_model(name):
    claimed, own = model_probes.validation_losses(small(name), IMAGES, LABELS, seed=0)
    assert len(claimed) == 3
    assert (abs(claimed[-1] - own) < 1e-5) == (name is None)


def test_settings_of_an_optimizer_that_are_not_defaults_are_named():
    import keras

    assert (
        model_probes.unusual_settings(keras.optimizers.Adam(0.5, beta_1=0.9)) == "Keras's defaults"
    )
    assert (
        model_probes.unusual_settings(keras.optimizers.SGD(0.5, momentum=0.5, clipnorm=1))
        == "clipnorm=1, momentum=0.5"
    )


def test_a_loss_is_recognised_by_its_values_and_not_by_its_name():
    import keras

    model = Pipeline().build(0)
    losses = keras.losses
    same = [
        losses.CategoricalCrossentropy(name="mine"),
        losses.KLDivergence(),
        "categorical_crossentropy",
    ]
    others = [
        losses.CategoricalCrossentropy(label_smoothing=0.01),
        losses.CategoricalCrossentropy(from_logits=True),
    ]
    for loss, near in [*((each, True) for each in same), *((each, False) for each in others)]:
        model.compile("adam", loss)
        assert (model_probes.loss_difference(model, "categorical_crossentropy") < 1e-4) == near


@pytest.mark.parametrize(
    ("metric", "right"), [("CategoricalAccuracy", True), ("BinaryAccuracy", False)]
)
def test_accuracy_is_recognised_by_what_it_counts(metric, right):
    import keras

    model = Pipeline().build(0)
    model.compile(
        "adam",
        "categorical_crossentropy",
        metrics=[getattr(keras.metrics, metric)(name="accuracy")],
    )
    assert (model_probes.accuracy_difference(model) < 1e-6) == right


def test_what_regularisation_adds_is_separated_from_the_loss():
    model = CATALOGUE["strong-regularisation"].pipeline().build(0)
    assert model_probes.regularisation_loss(Pipeline().build(0)) == 0
    assert model_probes.regularisation_loss(model) == pytest.approx(
        0.01 * sum((w**2).sum() for w in model.get_weights()), rel=1e-5
    )
    assert model_probes.loss_difference(model, "categorical_crossentropy") < 1e-4


@pytest.mark.parametrize(
    ("layer", "off"), [(1, (912 / 784) ** 0.5 - 1), (2, (138 / 128) ** 0.5 - 1)]
)
def test_initial_weights_are_compared_with_glorots(layer, off):
    he = CATALOGUE["he-initialisation"].pipeline()
    assert model_probes.initial_spread(Pipeline().build(0), layer) == pytest.approx(
        0, abs=(0.0071, 0.063)[layer - 1]
    )
    assert model_probes.initial_spread(he.build(0), layer) == pytest.approx(
        off, abs=(0.0071, 0.063)[layer - 1]
    )


def untrained(loss="categorical_crossentropy", metrics=("accuracy",), output="softmax"):
    """Return a linear model, compiled."""
    import keras

    layers = [
        keras.Input((28, 28)),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation=output),
    ]
    model = keras.Sequential(layers)
    model.compile("adam", loss, metrics=list(metrics))
    return model


@pytest.mark.parametrize(
    ("activation", "same"), [("softmax", True), ("linear", True), ("sigmoid", False)]
)
def test_direct_predictions_are_probabilities_or_the_softmax_of_logits(activation, same):
    model, other = untrained(), untrained(output=activation)
    other.set_weights(model.get_weights())
    assert (
        np.allclose(
            model_probes.direct_predictions(model, IMAGES),
            model_probes.direct_predictions(other, IMAGES),
            atol=1e-6,
        )
        == same
    )


def test_direct_predictions_reshape_images_to_the_input_of_the_model():
    import keras

    model = Pipeline().build(0)
    image = keras.Input((28, 28, 1))
    deeper = keras.Model(image, model(keras.layers.Reshape((28, 28))(image)))
    np.testing.assert_allclose(
        model_probes.direct_predictions(deeper, IMAGES),
        model_probes.direct_predictions(model, IMAGES),
        rtol=1e-5,
    )


@pytest.mark.parametrize("shape", [(32, 32, 1), (28, 28, 3), (None, None, 1), "two"])
def test_a_model_whose_input_only_its_pipeline_can_fill_is_not_judged_by_itself(shape):
    import keras

    layers = keras.layers
    inputs = [keras.Input((28, 28, 1))] * 2 if shape == "two" else [keras.Input(shape)]
    parts = [layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(each)) for each in inputs]
    model = keras.Model(inputs if shape == "two" else inputs[0], layers.Dense(10)(sum(parts)))
    for ask in (model_probes.direct_predictions, model_probes.dead_units):
        with pytest.raises(
            NotJudgedError, match=r"^the model's input, .*, is not 784 pixels: only fit and"
        ):
            ask(model, IMAGES)


def test_a_loss_of_digits_and_one_of_logits_are_the_loss_of_the_same_probabilities():
    import keras

    losses = keras.losses
    for loss, output, name in [
        ("sparse_categorical_crossentropy", "softmax", "sparse_categorical_crossentropy"),
        (
            losses.SparseCategoricalCrossentropy(from_logits=True),
            "linear",
            "sparse_categorical_crossentropy",
        ),
        (losses.CategoricalCrossentropy(from_logits=True), "linear", "categorical_crossentropy"),
    ]:
        model = untrained(loss, output=output)
        assert model_probes.loss_difference(model, name) < 1e-4
        assert model_probes.accuracy_difference(model) < 1e-6
    assert (
        model_probes.loss_difference(
            untrained(losses.CategoricalCrossentropy(from_logits=True)), name
        )
        > 0.1
    )


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_the_validation_loss_is_computed_of_labels_as_the_loss_takes_them(loss):
    class OfDigits(Pipeline):
        def build(self, seed):
            return untrained(loss)

        def fit(self, model, images, labels, *, seed, epochs=None):
            return {
                "val_loss": [-float(np.log(model(images[TRAINED:])[labels[TRAINED:] == 1]).mean())]
            }

    claimed, own = model_probes.validation_losses(OfDigits(), IMAGES, LABELS, seed=0)
    assert own == pytest.approx(claimed[0], rel=1e-5)


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (
            lambda: model_probes.loss_difference(untrained(), "my_loss"),
            "the loss 'my_loss' that the spec promises is not known to",
        ),
        (
            lambda: model_probes.loss_difference(untrained(None), "mse"),
            "the loss that build compiles cannot be computed: ",
        ),
        (
            lambda: model_probes.accuracy_difference(untrained(metrics=("mse",))),
            "build compiles its model without a metric named ",
        ),
    ],
)
def test_what_keras_cannot_compute_is_not_judged_and_no_traceback(ask, reason):
    with pytest.raises(NotJudgedError, match=f"^{reason}") as caught:
        ask()
    assert "\n" not in str(caught.value)


def test_a_model_that_cannot_be_loaded_from_its_file_is_not_judged_with_a_reason(tmp_path):
    import keras

    class Mine(keras.layers.Layer):
        pass

    for layer, why in (
        (keras.layers.Lambda(lambda images: images), "Lambda"),
        (Mine(), "needs a class"),
    ):
        model_probes.save(keras.Sequential([keras.Input((28, 28)), layer]), tmp_path / "m.keras")
        with pytest.raises(
            NotJudgedError, match=f"^what build returns cannot be loaded once it is saved: .*{why}"
        ):
            model_probes.predictions_of_file(Pipeline(), tmp_path / "m.keras", IMAGES)


def test_a_model_that_cannot_be_saved_is_not_judged(tmp_path):
    class Model:
        def save(self, path):
            raise NotImplementedError("no get_config")

    Model.__module__ = "keras"
    with pytest.raises(
        NotJudgedError, match=r"^what build returns cannot be saved: NotImplementedError: no get"
    ):
        model_probes.save(Model(), tmp_path / "m.keras")
