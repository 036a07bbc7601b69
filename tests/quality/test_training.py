"""Whether the full training does what it should."""

import numpy as np
import pytest

from mnistlab.errors import NotJudgedError
from mnistlab.probes import model as model_probes
from mnistlab.recipe import require_keras_model
from mnistlab.report.figures import curves
from mnistlab.requirement import Requirement

SPEC = "the subject's spec"


def test_training_takes_the_specified_epochs_and_steps(check, trained, prepared, pipeline):
    check.timed("training", trained.seconds)
    spec = pipeline.spec
    steps = int(np.ceil(spec.trained_on(len(prepared.train_images)) / spec.batch_size))
    required = f"{spec.epochs} epochs, {spec.epochs * steps} steps"
    epochs = len(trained.history_of("loss"))
    taken = int(
        require_keras_model(trained.model, "the steps of its optimizer").optimizer.iterations
    )
    got = f"{epochs} epochs, {taken} steps"
    advice = "look at the number of epochs, the batch size and the validation split"
    length = Requirement("length of training", "training", required, "equal to", "", SPEC, advice)
    check(length, got)


def test_loss_falls_every_epoch(check, trained):
    losses = trained.history_of("loss")
    caption = (
        "Training and validation should improve together. A validation loss that rises again "
        "means overfitting."
    )
    check.picture("Loss and accuracy by epoch", caption, curves(trained.history))
    check.within_healthy_range(
        "epochs in which the training loss rose",
        int((~(np.diff(losses) < 0)).sum()),
        worse="higher",
        advice="look at the learning rate and the order of the images",
    )


def test_nothing_is_nan_or_infinite(trained):
    model = require_keras_model(trained.model, "its weights")
    finite = [np.isfinite(weight).all() for weight in model.get_weights()]
    assert all(finite), (
        f"{finite.count(False)} of {len(finite)} weight arrays have NaN or infinity: training "
        "diverged; lower the learning rate, and look at the images and the loss"
    )


@pytest.mark.depends_on("labels", "predict")
def test_training_accuracy_of_the_history_is_that_of_the_model(
    check, pipeline, trained, prepared, dataset
):
    claimed = trained.history_of("accuracy")[-1]
    count = pipeline.spec.trained_on(len(prepared.train_images))
    predictions = pipeline.predict(trained.model, prepared.train_images[:count]).argmax(axis=1)
    accuracy = float((predictions == dataset.train_labels[:count]).mean())
    check.within_healthy_range(
        "training accuracy less the history's",
        accuracy - claimed,
        worse="both",
        unit="fraction",
        advice="the history's is the mean over an epoch in which the model still learns: was "
        "another model measured, or other images, or are they prepared or labelled in another way?",
        detail=f"{100 * accuracy:.2f} % after training, {100 * claimed:.2f} % as the mean over the "
        "last epoch's batches",
    )


@pytest.mark.depends_on("labels", "predict")
def test_validation_accuracy_of_the_history_is_that_of_the_model(
    check, pipeline, trained, prepared, dataset
):
    claimed = trained.history_of("val_accuracy")[-1]
    count = pipeline.spec.trained_on(len(prepared.train_images))
    predictions = pipeline.predict(trained.model, prepared.train_images[count:]).argmax(axis=1)
    right = predictions == dataset.train_labels[count:]
    difference = abs(int(right.sum()) - claimed * len(right))
    source = "the same weights and images; near ties may round the other way"
    advice = (
        "the history is not that of this model and these images; check that fit returns its own "
        "history, validates on the images held out and leaves the weights of the last epoch"
    )
    name = "validation images read otherwise than by the history"
    check(Requirement(name, "training", 3, "at most", "", source, advice), round(difference, 2))


def test_every_weight_array_moves(check, trained):
    weights = require_keras_model(trained.model, "its weights").get_weights()
    pairs = list(zip(trained.required("initial_weights"), weights, strict=True))
    moved = [float(np.mean(after != before)) for before, after in pairs]
    detail = "moved of each array: " + ", ".join(f"{100 * share:.1f} %" for share in moved)
    advice = "look for frozen layers and for gradients that are zero"
    name = "arrays of weights that stand still"
    check(Requirement(name, "training", 0, "equal to", advice=advice), moved.count(0), detail)


def test_hidden_units_are_alive(check, trained, prepared):
    trained.required("initial_weights")
    check.within_healthy_range(
        "hidden units that say the same of every image",
        model_probes.dead_units(trained.model, prepared.train_images[:10000]),
        worse="higher",
        unit="fraction",
        advice="they are dead: look at the learning rate and the initialisation",
    )


@pytest.mark.parametrize("layer", [1, 2])
def test_weights_are_as_large_as_in_healthy_models(check, trained, layer):
    trained.required("initial_weights")
    norms = model_probes.weight_norms(require_keras_model(trained.model, "its weights"))
    if layer > len(norms):
        raise NotJudgedError(f"the model has {len(norms)} layers with weights")
    check.within_healthy_range(
        f"norm of the weights of layer {layer}",
        norms[layer - 1],
        worse="both",
        advice="look at regularisation, clipping, the learning rate and the number of steps",
    )
