"""Whether the data is what it is taken for."""

import numpy as np
import pytest

from mnistlab.report import figures as plots
from mnistlab.requirement import Requirement

# As published for MNIST; for scikit-learn's digits its 1797 images in the split that `mnistlab.data.datasets` draws.
HASHES = {
    "mnist": "c65580678af93f1ea48c2c0d01d543ec89307c6b8a0eb7ca542d7c18c5f4c681",
    "digits": "b642ea8175760023aa84b8af8326f8a739d8946a0dc0274b6a4b305c8bd8cc01",
}
COUNTS = {
    ("mnist", "train"): "5923 6742 5958 6131 5842 5421 5918 6265 5851 5949",
    ("mnist", "test"): "980 1135 1032 1010 982 892 958 1028 974 1009",
    ("digits", "train"): "142 146 142 146 145 145 145 143 139 144",
    ("digits", "test"): "36 36 35 37 36 37 36 36 35 36",
}
SOURCE = {
    "mnist": "published by LeCun, Cortes and Burges",
    "digits": "scikit-learn's load_digits, split by mnistlab",
}
PARTS = ["train", "test"]


def images_of(dataset, part):
    return getattr(dataset, f"{part}_images")


def labels_of(dataset, part):
    return getattr(dataset, f"{part}_labels")


def repeated(*sets):
    """Count the images that stand more than once in the sets together."""
    every = [image.tobytes() for images in sets for image in images]
    return len(every) - len(set(every))


def test_content_is_the_published_one(check, dataset):
    required = HASHES[dataset.name][:16]
    source, advice = SOURCE[dataset.name], "download the data again"
    hashed = Requirement(
        "SHA-256 of the content", "dataset", required, "equal to", source=source, advice=advice
    )
    check(hashed, dataset.sha256[:16])


@pytest.mark.parametrize("part", PARTS)
def test_images_are_28_by_28_grey_bytes_with_a_label_each(dataset, part):
    images, labels = images_of(dataset, part), labels_of(dataset, part)
    assert images.dtype == labels.dtype == np.uint8, "images and labels are bytes"
    assert images.shape == (len(labels), 28, 28), "every label has an image of 28 x 28 pixels"


@pytest.mark.parametrize("part", PARTS)
def test_every_digit_comes_as_often_as_published(check, dataset, part):
    counts = " ".join(map(str, np.bincount(labels_of(dataset, part), minlength=10)))
    required = COUNTS[dataset.name, part]
    name = f"images of digit 0 to 9, {part}"
    check(Requirement(name, "dataset", required, "equal to", source=SOURCE[dataset.name]), counts)


@pytest.mark.parametrize("part", PARTS)
def test_pixels_use_the_full_range_of_a_byte(check, dataset, part):
    images = images_of(dataset, part)
    advice = "were the images scaled or cut before?"
    full = Requirement(
        f"grey levels, {part}", "dataset", "0 to 255", "equal to", source="uint8", advice=advice
    )
    check(full, f"{images.min()} to {images.max()}")


@pytest.mark.parametrize("part", PARTS)
def test_no_image_comes_twice(check, dataset, part):
    once = Requirement(
        f"repeated images, {part}", "dataset", 0, "equal to", source="true of the published files"
    )
    check(once, repeated(images_of(dataset, part)))


def test_no_test_image_is_a_training_image(check, dataset):
    advice = "the test set leaks into training: its accuracy means nothing"
    apart = Requirement(
        "test images that are training images", "dataset", 0, "equal to", advice=advice
    )
    both = repeated(dataset.train_images, dataset.test_images)
    check(apart, both - repeated(dataset.train_images) - repeated(dataset.test_images))


def test_first_samples_can_be_looked_at(check, dataset):
    figure = plots.samples(dataset.train_images[:20], dataset.train_labels[:20])
    check.picture(
        "The first training images", "Does every image show the digit that its label says?", figure
    )
