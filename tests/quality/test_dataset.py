"""Whether the data is the published dataset, or the one that was accepted."""

import numpy as np
import pytest

from mnistlab.arrays import CLASSES, IMAGE_SHAPE
from mnistlab.errors import NotRequiredError
from mnistlab.report.figures import samples
from mnistlab.requirement import Requirement

# MNIST as published; the 1797 images of scikit-learn's digits in the split of `load_dataset`.
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
    """Count the images that repeat another image of these sets."""
    images = [image.tobytes() for images in sets for image in images]
    return len(images) - len(set(images))


def test_content_is_the_published_or_the_accepted_one(check, dataset, request):
    if dataset.is_published:
        required, source = HASHES[dataset.name], SOURCE[dataset.name]
        advice = "this is other data; download it again"
    elif check.figures is not None:
        raise NotRequiredError("it is recorded when a result is accepted")
    else:
        required, source = request.getfixturevalue("baseline").data_sha256, "the accepted state"
        advice = "the data has changed since a result was accepted; restore it, or accept again"
    name = "SHA-256 of the content"
    same = Requirement(name, "dataset", required[:16], "equal to", "", source, advice)
    check(same, dataset.sha256[:16])


@pytest.mark.parametrize("part", PARTS)
def test_images_are_28_by_28_grey_bytes_with_a_label_each(dataset, part):
    images, labels = images_of(dataset, part), labels_of(dataset, part)
    got = f"images are {images.dtype}, labels {labels.dtype}"
    assert images.dtype == labels.dtype == np.uint8, f"{got}; required uint8: do not convert them"
    required = (len(labels), *IMAGE_SHAPE)
    got = f"images have shape {images.shape} for {len(labels)} labels"
    assert images.shape == required, f"{got}; required {required}: download the data again"


@pytest.mark.parametrize("part", PARTS)
def test_every_digit_comes_as_often_as_published(check, dataset, part):
    counts = " ".join(map(str, np.bincount(labels_of(dataset, part), minlength=CLASSES)))
    required, source = COUNTS.get((dataset.name, part)), SOURCE.get(dataset.name, "")
    advice = "images or labels are missing or changed; download the data again"
    name = f"images of digit 0 to 9, {part}"
    published = Requirement(name, "dataset", required, "equal to", "", source, advice)
    check(published, counts, waived=dataset.waived)


@pytest.mark.parametrize("part", PARTS)
def test_pixels_use_the_full_range_of_a_byte(check, dataset, part):
    images = images_of(dataset, part)
    advice = "the images were scaled or clipped before; use the raw images"
    name = f"grey levels, {part}"
    full = Requirement(name, "dataset", "0 to 255", "equal to", "", "uint8", advice)
    check(full, f"{images.min()} to {images.max()}", waived=dataset.waived)


@pytest.mark.parametrize("part", PARTS)
def test_no_image_comes_twice(check, dataset, part):
    source = "true of the published files"
    advice = "images were added or copied; download the data again"
    once = Requirement(f"repeated images, {part}", "dataset", 0, "equal to", "", source, advice)
    check(once, repeated(images_of(dataset, part)), waived=dataset.waived)


def test_no_test_image_is_a_training_image(check, dataset):
    most, source = 0.0, "none of MNIST's and of the digits'"
    if not dataset.is_published:
        most, source = 0.01, "Fashion-MNIST as published has 0.1 %"
    advice = "a leak: test images are trained on, so test accuracy means nothing; split again"
    name = "test images that are training images"
    train = {image.tobytes() for image in dataset.train_images}
    shared = sum(image.tobytes() in train for image in dataset.test_images)
    leak = Requirement(name, "dataset", most, "at most", "fraction", source, advice)
    check(leak, shared / len(dataset.test_images), f"{shared} images")


def test_first_samples_can_be_looked_at(check, dataset):
    figure = samples(dataset.train_images, dataset.train_labels)
    caption = "Check that every image shows the digit of its label."
    check.picture("The first training images", caption, figure)
