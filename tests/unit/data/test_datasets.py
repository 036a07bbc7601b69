"""Where a dataset is found, what is accepted as one, and the messages for everything else."""

import gzip
import io
import os
import pickle
import socket
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mnistlab.data import datasets
from mnistlab.data.datasets import MNIST_SHA256, Dataset, _load_same, load_dataset
from mnistlab.data.files import IDX_NAMES, NPZ_NAMES, content_sha256
from mnistlab.errors import MnistlabError

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = IDX_NAMES


def fake_mnist():
    rng = np.random.default_rng(0)
    sizes = (30, 20)
    return [
        array
        for size in sizes
        for array in (
            rng.integers(0, 256, (size, 28, 28), dtype=np.uint8),
            (np.arange(size) % 10).astype(np.uint8),
        )
    ]


ARRAYS = fake_mnist()
NO_SERVER = "http://127.0.0.1:9/mnist.npz"


def idx_bytes(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_folder(folder, pack=gzip.compress, names=tuple(f"{name}.gz" for name in IDX_NAMES)):
    folder.mkdir(parents=True)
    for name, array in zip(names, ARRAYS, strict=True):
        (folder / name).write_bytes(pack(idx_bytes(array)))
    return folder


def write_npz(path, **changes):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{**dict(zip(NPZ_NAMES, ARRAYS, strict=True)), **changes})
    return path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def search(tmp_path, monkeypatch):
    """Look only in the test's own folder, and accept the small fake as MNIST; `monkeypatch`."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("MNISTLAB_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(datasets, "CLONE", tmp_path / "no clone")
    monkeypatch.setattr(datasets, "MNIST_SHA256", [content_sha256(array) for array in ARRAYS])
    monkeypatch.setattr(datasets, "KERAS_URL", NO_SERVER)
    return monkeypatch


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "keras" / "datasets" / "mnist.npz"


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


# What is read


@pytest.mark.parametrize(
    ("pack", "names"),
    [
        (gzip.compress, [f"{name}.gz" for name in IDX_NAMES]),
        (bytes, IDX_NAMES),
        (bytes, [name.replace("-idx", ".idx") for name in IDX_NAMES]),
    ],
    ids=["gzipped", "plain", "dotted names"],
)
def test_a_folder_of_idx_files_is_read(tmp_path, search, pack, names):
    folder = write_folder(tmp_path / "mine", pack, names)
    dataset = load_dataset("mnist", folder)
    assert (dataset.name, dataset.source, dataset.note) == ("mnist", str(folder), "")
    assert np.array_equal(dataset.train_images, ARRAYS[0])
    assert np.array_equal(dataset.train_labels, ARRAYS[1])
    assert np.array_equal(dataset.test_images, ARRAYS[2])
    assert np.array_equal(dataset.test_labels, ARRAYS[3])


def test_the_hash_does_not_depend_on_the_container(tmp_path, search):
    from_folder = load_dataset(path=write_folder(tmp_path / "mine"))
    from_npz = load_dataset(path=write_npz(tmp_path / "mine.npz"))
    assert from_folder.sha256 == from_npz.sha256


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_is_read_whatever_the_order_of_its_values_in_memory(tmp_path, search, save):
    fortran = {
        name: np.asfortranarray(array) for name, array in zip(NPZ_NAMES, ARRAYS, strict=True)
    }
    save(tmp_path / "mine.npz", **fortran)
    dataset = load_dataset("mnist", tmp_path / "mine.npz")
    assert np.array_equal(dataset.test_images, ARRAYS[2])


@pytest.mark.parametrize("write", [write_folder, write_npz])
def test_arrays_are_read_only(tmp_path, search, write):
    dataset = load_dataset("mnist", write(tmp_path / "mine.npz"))
    for array in (
        dataset.train_images,
        dataset.train_labels,
        dataset.test_images,
        dataset.test_labels,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_only_the_published_mnist_is_accepted_by_default(tmp_path):
    with pytest.raises(MnistlabError, match=f"not MNIST's.*required {MNIST_SHA256[0][:12]}"):
        load_dataset("mnist", write_folder(tmp_path / "mine"))


# Where it is looked for


def test_sources_are_tried_in_order(tmp_path, search, cache):
    named, variable = write_npz(tmp_path / "named.npz"), write_npz(tmp_path / "variable.npz")
    inside, beside = tmp_path / "work" / "data" / "mnist", tmp_path / "shared" / "mnist"
    for folder in (inside, beside):
        write_folder(folder)
    write_npz(cache)
    search.setenv("MNISTLAB_DATA", str(variable))
    assert load_dataset(path=named).source == str(named)
    assert load_dataset().source == str(variable)
    search.delenv("MNISTLAB_DATA")
    assert load_dataset().source == str(inside)
    inside.rename(tmp_path / "gone")
    assert load_dataset().source == str(beside)
    beside.rename(tmp_path / "gone too")
    assert load_dataset().source == f"Keras cache {cache}"


@pytest.mark.parametrize("name", ["auto", "mnist"])
def test_an_unusable_environment_variable_is_an_error_and_no_fallback(tmp_path, search, name):
    write_folder(tmp_path / "work" / "data" / "mnist")
    search.setenv("MNISTLAB_DATA", str(tmp_path / "typo"))
    with pytest.raises(
        MnistlabError, match="typo: No such file or directory; give a readable folder"
    ):
        load_dataset(name)


def test_an_empty_environment_variable_names_nothing(tmp_path, search):
    write_folder(tmp_path / "work" / "data" / "mnist")
    search.setenv("MNISTLAB_DATA", "")
    assert load_dataset().name == "mnist"


def test_a_clone_is_searched_after_the_working_directory(tmp_path, search):
    clone = write_folder(tmp_path / "clone" / "data" / "mnist").parents[1]
    search.setattr(datasets, "CLONE", clone)
    assert load_dataset().name == "digits"  # no clone: it has no pyproject.toml
    (clone / "pyproject.toml").touch()
    assert load_dataset().source == str(clone / "data" / "mnist")
    inside = write_folder(tmp_path / "work" / "data" / "mnist")
    assert load_dataset().source == str(inside)


def test_a_damaged_folder_that_nobody_named_is_passed_over(tmp_path, search):
    inside = write_folder(tmp_path / "work" / "data" / "mnist")
    (inside / f"{TRAIN_LABELS}.gz").write_bytes(b"")
    beside = write_folder(tmp_path / "shared" / "mnist")
    assert load_dataset("mnist").source == str(beside)


def test_mnist_insisted_on_and_not_found_is_an_error_that_lists_what_was_tried(tmp_path, search):
    tried = r"\(1\) .*data.mnist: not there\. \(2\) .*shared.mnist: not there\. "
    tried += r"\(3\) .*npz: not there\. \(4\) download: .*refused"
    with pytest.raises(MnistlabError, match=tried):
        load_dataset("mnist")


def test_auto_falls_back_to_the_digits_and_notes_all_that_was_tried(tmp_path, search, digits):
    inside = write_folder(tmp_path / "work" / "data" / "mnist")
    (inside / f"{TRAIN_LABELS}.gz").write_bytes(b"")
    dataset = load_dataset("auto")
    assert (dataset.name, dataset.sha256) == ("digits", digits.sha256)
    assert f"{inside / TRAIN_LABELS}.gz: begins with nothing" in dataset.note
    assert f"{tmp_path / 'shared' / 'mnist'}: not there" in dataset.note
    assert f"{tmp_path / 'keras' / 'datasets' / 'mnist.npz'}: not there" in dataset.note
    assert "download: <urlopen error" in dataset.note
    assert len(dataset.note.splitlines()) == 1


# Data of one's own


@pytest.mark.parametrize("write", [write_folder, write_npz])
def test_other_data_in_the_same_form_has_the_name_that_it_is_given(tmp_path, write):
    path = write(tmp_path / "mine.npz")
    dataset = load_dataset("fashion", path)
    assert (dataset.name, dataset.source, dataset.note) == ("fashion", str(path), "")
    assert np.array_equal(dataset.test_images, ARRAYS[2])
    assert not dataset.is_published
    assert "fashion" in dataset.waived


def test_other_data_is_read_again_where_it_is_unpickled(tmp_path):
    dataset = load_dataset("fashion", write_npz(tmp_path / "mine.npz"))
    content = pickle.dumps(dataset)
    assert len(content) < 1000
    assert pickle.loads(content).sha256 == dataset.sha256
    write_npz(tmp_path / "mine.npz", x_test=255 - ARRAYS[2])
    _load_same.cache_clear()
    with pytest.raises(MnistlabError, match="copy the data from the other machine"):
        pickle.loads(content)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minst", r"dataset 'minst' is unknown; did you mean mnist\? data of your own needs"),
        ("digit", r"did you mean digits\?"),
        ("fashion", "dataset 'fashion' is unknown; data of your own needs its place: --data PATH"),
    ],
)
def test_an_unknown_name_without_data_is_refused_with_the_nearest_known_one(search, name, message):
    search.setenv("MNISTLAB_DATA", "of MNIST, not of these")
    with pytest.raises(MnistlabError, match=message):
        load_dataset(name)


@pytest.mark.parametrize("name", ["digits", "MNIST", "Auto"])
def test_other_data_may_not_take_a_published_name(tmp_path, name):
    with pytest.raises(MnistlabError, match=f"dataset '{name}': the name is taken"):
        load_dataset(name, write_npz(tmp_path / "mine.npz"))


@pytest.mark.parametrize("name", ["../up", "a b", "-x", ""])
def test_a_name_that_is_no_part_of_a_file_name_is_refused(tmp_path, name):
    with pytest.raises(MnistlabError, match="required letters, digits"):
        load_dataset(name, write_npz(tmp_path / "mine.npz"))


def test_letters_are_refused_with_what_is_possible_today(tmp_path):
    letters = {name: (np.arange(26) + 1).astype(np.uint8) for name in ("y_train", "y_test")}
    images = {name: np.zeros((26, 28, 28), np.uint8) for name in ("x_train", "x_test")}
    message = "26 classes, labelled 1 to 26; today exactly 10 are possible, labelled 0 to 9$"
    with pytest.raises(MnistlabError, match=message):
        load_dataset("letters", write_npz(tmp_path / "letters.npz", **letters, **images))


def test_data_that_lacks_a_class_is_refused(tmp_path):
    nine = {"y_test": ARRAYS[3].clip(0, 8)}
    with pytest.raises(
        MnistlabError, match=r"\(y_test\): 9 classes, labelled 0 to 8; today exactly"
    ):
        load_dataset("nine", write_npz(tmp_path / "nine.npz", **nine))


@pytest.mark.parametrize("place", ["/dev/zero", "pipe"])
def test_a_device_or_a_pipe_is_refused_and_not_read_for_ever(tmp_path, place):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MnistlabError, match=f"{place}: not a regular file; give a readable folder"):
        load_dataset("fashion", tmp_path / place)


# Keras's cache and download


@pytest.mark.parametrize("content", [b"", b"half a download"])
def test_a_damaged_cache_is_left_as_it_was_and_nothing_is_downloaded(
    tmp_path, search, cache, content
):
    cache.parent.mkdir(parents=True)
    cache.write_bytes(content)
    search.setattr(datasets, "KERAS_URL", write_npz(tmp_path / "good.npz").as_uri())
    with pytest.raises(
        MnistlabError, match=r"mnist\.npz: .*zip.*download: not tried, .*delete that"
    ):
        load_dataset("mnist")
    assert contents(cache.parent) == {"mnist.npz": content}


def test_a_download_is_announced_and_put_into_the_cache(tmp_path, search, cache, capsys):
    good = write_npz(tmp_path / "good.npz")
    search.setattr(datasets, "KERAS_URL", good.as_uri())
    dataset = load_dataset("mnist")
    assert dataset.source == f"downloaded from {good.as_uri()}"
    assert contents(cache.parent) == {"mnist.npz": good.read_bytes()}
    output = capsys.readouterr()
    assert output.out == ""
    what = f"mnistlab: downloading MNIST (11 MB) from {good.as_uri()}, at most 60 s\n"
    assert output.err == what


def test_a_file_that_another_run_cached_meanwhile_is_not_overwritten(
    tmp_path, search, cache, monkeypatch
):
    search.setattr(datasets, "KERAS_URL", write_npz(tmp_path / "good.npz").as_uri())
    link = os.link

    def late(source, target):
        cache.write_bytes(b"theirs")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert load_dataset("mnist").name == "mnist"
    assert contents(cache.parent) == {"mnist.npz": b"theirs"}


@pytest.fixture
def silent():
    """Return the URL of a server that accepts a connection and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/mnist.npz"


def test_a_download_that_hangs_is_given_up_and_leaves_nothing(search, cache, silent):
    search.setattr(datasets, "KERAS_URL", silent)
    search.setattr(datasets, "DOWNLOAD_SECONDS", 0.1)
    with pytest.raises(MnistlabError, match=r"download: not done after 0\.1 s"):
        load_dataset("mnist")
    assert list(cache.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("left", "message"), [(None, "download: .*No such file"), (b"half", "File is not a zip")]
)
def test_a_failed_download_leaves_nothing_behind(tmp_path, search, cache, left, message):
    there = tmp_path / "there.npz"
    if left is not None:
        there.write_bytes(left)
    search.setattr(datasets, "KERAS_URL", there.as_uri())
    with pytest.raises(MnistlabError, match=message):
        load_dataset("mnist")
    assert list(cache.parent.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path, search):
    (tmp_path / "keras").write_bytes(b"a file where the folder should be")
    with pytest.raises(
        MnistlabError, match=r"keras.*; set KERAS_HOME to a folder that can be written to"
    ):
        load_dataset("mnist")


def test_importing_the_module_imports_no_framework():
    heavy = "{'tensorflow', 'keras', 'sklearn'}"
    script = f"import sys, mnistlab.data.datasets; print({heavy} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "set()\n"


# What is refused


def wrong_npy():
    buffer = io.BytesIO()
    np.save(buffer, ARRAYS[0])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (TRAIN_IMAGES, gzip.compress(idx_bytes(ARRAYS[0]), mtime=0)[:-20], "damaged gzip"),
        (TRAIN_IMAGES, idx_bytes(ARRAYS[0]), "damaged gzip .Not a gzipped file"),
        (
            TRAIN_IMAGES,
            gzip.compress(b"<html>", mtime=0),
            "begins with 3c68746d, required IDX bytes",
        ),
        (
            TRAIN_IMAGES,
            gzip.compress(idx_bytes(ARRAYS[0])[:-1], mtime=0),
            "23519 bytes of data, required 30 x 28 x 28",
        ),
        (
            TRAIN_LABELS,
            gzip.compress(idx_bytes(ARRAYS[1][:29]), mtime=0),
            "29 labels for 30 images",
        ),
        (
            TEST_LABELS,
            gzip.compress(idx_bytes(ARRAYS[3] + np.uint8(1)), mtime=0),
            "labelled 1 to 10; today exactly 10 are possible, labelled 0 to 9",
        ),
        (
            TEST_LABELS,
            gzip.compress(idx_bytes(ARRAYS[2]), mtime=0),
            r"shape \(20, 28, 28\); today only uint8 of shape \(N\) is possible",
        ),
        (
            TEST_IMAGES,
            gzip.compress(idx_bytes(ARRAYS[2][:, :9]), mtime=0),
            r"\(20, 9, 28\); today only uint8 of shape \(N, 28, 28\) is possible",
        ),
        (
            TEST_IMAGES,
            gzip.compress(idx_bytes(255 - ARRAYS[2]), mtime=0),
            "not MNIST's: content has SHA-256",
        ),
    ],
)
def test_a_bad_idx_file_is_refused_by_name(tmp_path, search, name, content, message):
    folder = write_folder(tmp_path / "mine")
    (folder / f"{name}.gz").write_bytes(content)
    with pytest.raises(MnistlabError, match=rf"{name}\.gz: .*{message}.*"):
        load_dataset("mnist", folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": np.array([{}, 1], dtype=object)}, "bad.npz: Object arrays cannot be loaded"),
        (
            {"x_train": ARRAYS[0] / 255},
            r"\(x_train\): float64 of shape \(30, 28, 28\); today only uint8",
        ),
        (
            {"x_test": ARRAYS[2][..., None]},
            r"\(x_test\): uint8 of shape \(20, 28, 28, 1\); today only .*28, 28\)",
        ),
        (
            {"y_train": ARRAYS[1].astype(int)},
            r"\(y_train\): int64 of shape \(30,\); today only uint8",
        ),
        (
            {"y_train": ARRAYS[1][:0], "x_train": ARRAYS[0][:0]},
            r"\(x_train\): uint8 of shape \(0, 28, 28\)",
        ),
        ({"y_train": ARRAYS[1][1:]}, r"\(y_train\): 29 labels for 30 images"),
        (
            {"y_test": ARRAYS[3] + np.uint8(9)},
            r"\(y_test\): 10 classes, labelled 9 to 18; today exactly 10",
        ),
        ({"y_test": ARRAYS[3][::-1]}, r"\(y_test\): not MNIST's"),
    ],
)
def test_a_bad_array_in_an_npz_is_refused_by_name(tmp_path, search, changes, message):
    with pytest.raises(MnistlabError, match=message):
        load_dataset("mnist", write_npz(tmp_path / "bad.npz", **changes))


def huge_npz():
    buffer, member = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(
        member, {"descr": "|u1", "fortran_order": False, "shape": (2**62,)}
    )
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x_train.npy", member.getvalue() + b"few")
    return buffer.getvalue()


def lacking_npz():
    buffer = io.BytesIO()
    np.savez(buffer, x_train=ARRAYS[0], y_train=ARRAYS[1], x_test=ARRAYS[2])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "File is not a zip file"),
        (wrong_npy(), "File is not a zip file"),
        (lacking_npz()[:-30], "File is not a zip file"),
        (lacking_npz(), "no item named 'y_test.npy' in the archive"),
        (huge_npz(), "(allocate|dimension|too big)"),
    ],
    ids=["empty", "npy", "truncated", "an array missing", "huge dimensions"],
)
def test_a_file_that_is_no_npz_of_mnist_is_refused(tmp_path, search, content, message):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(
        MnistlabError, match=rf"bad\.npz: .*{message}.*, required an .npz of x_train, y_train, "
    ):
        load_dataset("mnist", path)


def test_a_folder_without_idx_files_says_which_are_needed(tmp_path, search):
    with pytest.raises(
        MnistlabError, match=f"no {TRAIN_IMAGES} or {TRAIN_IMAGES}.gz; put the four IDX files"
    ):
        load_dataset("mnist", tmp_path)


def test_a_folder_in_place_of_a_file_is_refused(tmp_path, search):
    folder = write_folder(tmp_path / "mine")
    (folder / f"{TEST_LABELS}.gz").unlink()
    (folder / TEST_LABELS).mkdir()
    with pytest.raises(MnistlabError, match=f"{TEST_LABELS}: .*; give a readable folder"):
        load_dataset("mnist", folder)


@pytest.mark.parametrize("write", [write_folder, write_npz])
def test_a_file_that_may_not_be_read_is_named(tmp_path, search, monkeypatch, write):
    path = write(tmp_path / "mine.npz")

    def refuse(self, mode):  # chmod would not stop the superuser, as whom containers run
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(
        MnistlabError, match=r"mine\.npz.*: Permission denied; give a readable folder"
    ):
        load_dataset("mnist", path)


# The digits


def test_digits_are_laid_out_like_mnist(digits):
    images = np.concatenate([digits.train_images, digits.test_images])
    assert images.shape == (1797, 28, 28)
    assert images.dtype == np.uint8
    assert images[:, 4:24, 4:24].sum() == images.sum()
    assert (images.min(), images.max()) == (0, 255)
    assert images.mean() < 128


def test_no_digit_is_there_twice(digits):
    images = np.concatenate([digits.train_images, digits.test_images]).reshape(1797, -1)
    assert len(np.unique(images, axis=0)) == 1797


def test_each_digit_has_its_share_of_the_test_set(digits):
    in_test = np.bincount(digits.test_labels, minlength=10)
    everywhere = in_test + np.bincount(digits.train_labels, minlength=10)
    assert in_test / everywhere == pytest.approx(0.2, abs=0.01)


def test_digits_are_read_only_and_need_no_note(digits):
    assert isinstance(digits, Dataset)
    assert digits.note == ""
    with pytest.raises(ValueError, match="read-only"):
        digits.train_images[0] = 0
