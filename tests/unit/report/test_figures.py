"""Figures say what they must, for every input that a run can give them."""

import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.text import Text

from mnistlab.report import figures as plots

NONE = np.zeros((0, 28, 28), np.uint8)
IMAGES = np.arange(30 * 28 * 28).reshape(30, 28, 28).astype(np.uint8)
LABELS = np.arange(30) % 10
HISTORY = {
    "loss": [0.29, 0.13, 0.05],
    "accuracy": [0.92, 0.96, 0.985],
    "val_loss": [0.16, 0.12, 0.09],
    "val_accuracy": [0.955, 0.965, 0.9731],
}


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def pixels(figure):
    return imread(io.BytesIO(plots.png(figure)))


def title(figure):
    return figure.get_suptitle().replace("\n", " ")


def test_drawing_starts_no_pyplot():
    code = f"""if True:
        import sys
        from mnistlab.report import figures
        figures.png(figures.curves({HISTORY}))
        print(*sys.modules)"""
    command = [sys.executable, "-c", code]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "matplotlib.figure" in modules
    assert "matplotlib.pyplot" not in modules


def test_samples_shows_the_first_twenty_with_their_labels():
    assert [text for text in texts(plots.samples(IMAGES, LABELS)) if text.startswith("label")] == [
        f"label {label}" for label in LABELS[:20]
    ]


def test_an_image_is_shown_with_its_own_grey_levels():
    shown = pixels(plots.gallery(np.full((1, 28, 28), 51, np.uint8), [""], title="Grey"))
    assert (shown[..., 0] == np.float32(51 / 255)).sum() == (3 * 28) ** 2


@pytest.mark.parametrize("caption", ["costs $5 and $6", "$\\frac{", "$x^", "a_b"])
def test_a_caption_and_a_title_are_shown_as_they_are(caption):
    figure = plots.gallery(IMAGES[:1], [caption], title=caption)
    plots.png(figure)
    assert title(figure) == caption
    assert caption in [text.replace("\n", " ") for text in texts(figure)]
    assert not any(text.get_parse_math() for text in figure.findobj(Text) if text.get_text())


def test_a_character_that_the_font_lacks_is_replaced():
    figure = plots.gallery(IMAGES[:1], ["\u6f22 \x07 \udc80"], title="caf\u00e9 \u6f22")
    plots.png(figure)
    assert title(figure) == "caf\u00e9 \ufffd"
    assert "\ufffd \ufffd \ufffd" in texts(figure)


def test_a_long_title_and_caption_go_on_in_the_next_line():
    short = plots.gallery(IMAGES[:1], ["one"], title="one")
    long = plots.gallery(IMAGES[:1], ["one two three four five"], title="word " * 60)
    assert title(long) == ("word " * 60).strip()
    assert "one two\nthree four\nfive" in texts(long)
    assert long.get_figheight() > short.get_figheight()


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.gallery(NONE, [], title="Mistakes"),
        lambda: plots.samples(NONE, LABELS[:0]),
    ],
)
def test_no_images_are_said_to_be_none(draw):
    figure = draw()
    plots.png(figure)
    assert "There are none." in texts(figure)


def test_one_image_is_not_said_to_be_none():
    assert "There are none." not in texts(plots.gallery(IMAGES[:1], ["one"], title="Mistakes"))


def test_curves_state_the_last_values():
    figure = plots.curves(HISTORY)
    assert title(figure) == "After epoch 3: validation accuracy 97.31 %, loss 0.09"
    assert {"training 0.05", "validation 0.09", "training 98.5", "validation 97.31"} <= set(
        texts(figure)
    )


@pytest.mark.parametrize("epochs", [1, 30])
def test_epochs_are_counted_in_whole_numbers_from_one(epochs):
    figure = plots.curves({name: [0.5] * epochs for name in HISTORY})
    plots.png(figure)
    ticks = [axes.get_xticks().tolist() for axes in figure.axes]
    assert all(places[0] == 1 and places[-1] <= epochs for places in ticks)
    assert all(place == int(place) for places in ticks for place in places)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_diverged_training_renders_and_its_title_says_when(bad):
    figure = plots.curves(HISTORY | {"val_loss": [0.2, bad, bad]})
    plots.png(figure)
    assert title(figure) == "Epoch 2 has no finite val_loss: training diverged, or recorded none"
    assert f"validation {bad}" in texts(figure)


def test_a_training_of_nothing_finite_renders():
    figure = plots.curves({name: [np.nan] for name in HISTORY})
    plots.png(figure)
    assert title(figure).startswith("Epoch 1 has no finite loss")


def test_a_training_without_validation_renders_and_says_so():
    figure = plots.curves({"loss": [0.3, 0.2], "accuracy": [0.9, 0.95]})
    plots.png(figure)
    assert title(figure).startswith("Epoch 1 has no finite val_loss")
