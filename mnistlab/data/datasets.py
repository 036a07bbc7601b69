"""Find, verify and read a dataset: the real MNIST, or scikit-learn's bundled digits."""

import contextlib
import dataclasses
import functools
import hashlib
import io
import os
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mnistlab.data.download import KERAS_DOWNLOAD, downloaded
from mnistlab.data.idx import SIZE_LIMIT, content_sha256, damaged, parse_idx
from mnistlab.errors import MnistlabError

Array: TypeAlias = npt.NDArray[np.uint8]
Parts: TypeAlias = dict[
    str, Array
]  # the four arrays in the order of IDX_NAMES, by what messages call them
Four: TypeAlias = tuple[Array, Array, Array, Array]

IDX_NAMES = tuple(
    f"{part}-ubyte"
    for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
)
NPZ_NAMES = ("x_train", "y_train", "x_test", "y_test")
MNIST_SHA256 = (  # of the four uncompressed IDX files as published, in the order of IDX_NAMES
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images of handwritten digits with their labels, in a training and a test set.

    Attributes
    ----------
    name, source : str
        ``"mnist"`` or ``"digits"``; where it came from, for people.
    sha256 : str
        SHA-256 of the four arrays' `content_sha256` in hexadecimal, one after the other in the order below.
    train_images, train_labels, test_images, test_labels : ndarray of uint8
        Images (N, 28, 28), 0 to 255, white on black; labels (N,), 0 to 9. Read-only.
    note : str
        Why this is not MNIST, where MNIST was preferred; else empty.
    """

    name: str
    source: str
    sha256: str
    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    note: str = ""

    def __reduce__(self) -> tuple[object, ...]:
        """Travel to another process as name, place and hash: there the data is read again, once a process."""
        return _found_again, (
            self.name,
            os.path.abspath(os.path.expanduser(self.source)),
            self.sha256,
            self.note,
        )


def _roots() -> Sequence[Path]:
    here, clone = Path.cwd(), Path(__file__).resolve().parents[2]
    return (here, clone) if clone != here and (clone / "pyproject.toml").is_file() else (here,)


@dataclass(frozen=True)
class MnistSearch:
    """Where MNIST is looked for and what is accepted as MNIST; the default is meant for all but tests."""

    environ: Mapping[str, str] = field(
        default_factory=lambda: os.environ
    )  # MNISTLAB_DATA and KERAS_HOME count
    roots: Sequence[Path] = field(
        default_factory=_roots
    )  # data/mnist may be in them, shared/mnist beside them
    sha256: Sequence[str] = MNIST_SHA256
    download: Sequence[str] = (
        sys.executable,
        "-c",
        KERAS_DOWNLOAD,
    )  # leaves datasets/mnist.npz in KERAS_HOME
    download_seconds: float = 60


def load_dataset(
    name: str = "auto",
    path: str | PathLike[str] | None = None,
    *,
    seed: int = 0,
    search: MnistSearch | None = None,
) -> Dataset:
    """Find, verify and read a dataset.

    Parameters
    ----------
    name : {"auto", "mnist", "digits"}
        ``"mnist"`` insists; ``"auto"`` takes the digits where there is no MNIST and says why in the note.
    path : path-like, optional
        MNIST as a folder of IDX files or an .npz: the only place to look at. Else ``MNISTLAB_DATA`` is.
    seed : int
        Draws the split of the digits; MNIST comes split.
    search : Search, optional
        By default the real environment and the real MNIST.

    Returns
    -------
    Dataset
        Verified by content, whatever the container.

    Raises
    ------
    MnistlabError
        If the name is unknown, if the named path is not MNIST, or if MNIST is insisted on and was not found;
        the message then lists what was tried.
    """
    if name not in ("auto", "mnist", "digits"):
        raise MnistlabError(f"dataset {name!r}: required auto, mnist or digits; choose one of them")
    if name == "digits":
        return _digits(seed)
    search = search or MnistSearch()
    if named := path or search.environ.get("MNISTLAB_DATA"):
        return _read_mnist(Path(os.path.expanduser(named)), str(named), search)
    try:
        return _find_mnist(search)
    except MnistlabError as error:
        if name == "mnist":
            raise
        return _digits(seed, note=str(error))


@functools.lru_cache(maxsize=2)
def _found_again(name: str, place: str, sha256: str, note: str) -> Dataset:
    """Load the dataset that another process has, from the same place or where this machine keeps it."""
    nowhere = (sys.executable, "-c", "import sys; sys.exit('not tried here')")
    path = place if name == "mnist" and os.path.exists(place) else None
    found = load_dataset(name, path, search=MnistSearch(download=nowhere))
    if found.sha256 != sha256:
        got, required = found.sha256[:12], sha256[:12]
        raise MnistlabError(
            f"{found.source}: content has SHA-256 {got}..., required {required}...; copy it from there"
        )
    return dataclasses.replace(found, note=note)


def _find_mnist(search: MnistSearch) -> Dataset:
    keras_home = os.path.expanduser(search.environ.get("KERAS_HOME") or "~/.keras")
    cache = Path(os.path.abspath(keras_home), "datasets", "mnist.npz")
    folders = [root / "data" / "mnist" for root in search.roots]
    folders += [root.parent / "shared" / "mnist" for root in search.roots]
    tried = []
    for path in (*folders, cache):
        try:
            if os.path.lexists(path):
                return _read_mnist(
                    path, f"Keras cache {path}" if path == cache else str(path), search
                )
            tried.append(f"{path}: not there")
        except MnistlabError as error:
            tried.append(str(error))
    try:
        return _download(cache, search)
    except MnistlabError as error:
        tried.append(f"Keras's download: {error}")
    reasons = " ".join(f"({count}) {reason}." for count, reason in enumerate(tried, start=1))
    raise MnistlabError(
        f"no MNIST found; name its folder with --mnist-data or MNISTLAB_DATA. Tried: {reasons}"
    )


def _download(cache: Path, search: MnistSearch) -> Dataset:
    with downloaded(cache, search.download, search.environ, search.download_seconds) as path:
        dataset = _read_mnist(path, "downloaded by keras.datasets", search)
        with contextlib.suppress(
            OSError
        ):  # Another run was first, or there are no hard links: not cached.
            os.link(path, cache)
        return dataset


def _read_mnist(path: Path, source: str, search: MnistSearch) -> Dataset:
    try:
        parts = _read_idx_files(path) if os.path.isdir(path) else _read_npz(path)
    except OSError as error:
        finding = f"{error.filename or path}: {error.strerror or error}"
        raise MnistlabError(
            f"{finding}; give a readable folder of MNIST's IDX files, or an .npz"
        ) from error
    _check_values(parts)
    for (name, array), required in zip(parts.items(), search.sha256, strict=True):
        got = content_sha256(array)
        if got != required:
            raise damaged(
                name, f"not MNIST's: content has SHA-256 {got[:12]}..., required {required[:12]}..."
            )
    train_images, train_labels, test_images, test_labels = parts.values()
    return _dataset("mnist", source, (train_images, train_labels, test_images, test_labels))


def _read_idx_files(folder: Path) -> Parts:
    present = os.listdir(folder)
    parts = {}
    for published in IDX_NAMES:
        stems = (published, published.replace("-idx", ".idx"))
        path = next(
            (
                folder / (stem + end)
                for stem in stems
                for end in ("", ".gz")
                if stem + end in present
            ),
            None,
        )
        if path is None:
            raise MnistlabError(
                f"{folder}: no {published} or {published}.gz; put MNIST's four IDX files there"
            )
        with path.open("rb") as file:
            parts[str(path)] = parse_idx(file.read(SIZE_LIMIT + 1), str(path))
    return parts


def _read_npz(path: Path) -> Parts:
    parts = {}
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                for name in NPZ_NAMES:
                    with archive.open(f"{name}.npy") as member:
                        content = io.BytesIO(member.read(SIZE_LIMIT))
                    parts[f"{path} ({name})"] = np.lib.format.read_array(
                        content, allow_pickle=False
                    )
        except Exception as error:  # The readers raise nearly anything on damaged bytes.
            finding = " ".join(str(error).split())
            raise damaged(
                str(path), f"{finding}, required an .npz of {', '.join(NPZ_NAMES)}"
            ) from error
    return parts


def _check_values(parts: Parts) -> None:
    names, arrays = list(parts), list(parts.values())
    for name, array, shape in zip(names, arrays, [("N", 28, 28), ("N",)] * 2, strict=True):
        if (
            array.dtype != np.uint8
            or array.ndim != len(shape)
            or array.shape[1:] != shape[1:]
            or not array.size
        ):
            required = f"uint8 of shape ({', '.join(map(str, shape))})"
            raise damaged(name, f"{array.dtype} of shape {array.shape}, required {required}")
    for name, images, labels in zip(names[1::2], arrays[::2], arrays[1::2], strict=True):
        if len(images) != len(labels):
            raise damaged(name, f"{len(labels)} labels for {len(images)} images")
        if labels.max() > 9:
            raise damaged(name, f"label {labels.max()}, required 0 to 9")


def _digits(seed: int, note: str = "") -> Dataset:
    # Imported here, as only the digits need them.
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    # As MNIST is laid out: the digit in a box of 20 x 20, in the middle of 28 x 28; 0 to 16 become 0 to 255.
    boxes = zoom(digits.images, (1, 2.5, 2.5), order=3, mode="grid-constant", grid_mode=True)
    images = np.pad(
        np.rint(boxes.clip(0, 16) * (255 / 16)).astype(np.uint8), ((0, 0), (4, 4), (4, 4))
    )
    labels = digits.target.astype(np.uint8)
    split = train_test_split(images, labels, test_size=0.2, random_state=seed, stratify=labels)
    train_images, test_images, train_labels, test_labels = split
    arrays = (train_images, train_labels, test_images, test_labels)
    return _dataset("digits", "scikit-learn's bundled digits", arrays, note)


def _dataset(name: str, source: str, arrays: Four, note: str = "") -> Dataset:
    for array in arrays:
        array.setflags(write=False)  # tests share them
    sha256 = hashlib.sha256("".join(map(content_sha256, arrays)).encode()).hexdigest()
    return Dataset(name, source, sha256, *arrays, note)
