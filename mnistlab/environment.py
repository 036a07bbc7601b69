"""What results depend on: versions, sources, and where the suite and the accepted results lie."""

import functools
import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from mnistlab import __version__
from mnistlab.errors import MnistlabError

FOLDER = "baselines"
COMPARED = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn")
RECORDED = (
    "tensorflow",
    "keras",
    "numpy",
    "scipy",
    "scikit-learn",
    "matplotlib",
    "pytest",
    "pytest-html",
)


def suite_folder() -> Path:
    """Find the suite, beside this file in an installed wheel, else in the clone; MnistlabError if it is in neither."""
    package = Path(__file__).resolve().parent
    for place in (package / "quality", package.parent / "tests" / "quality"):
        if place.is_dir():
            return place
    raise MnistlabError(f"{package}: the suite is missing; install mnistlab again")


def baseline_folder(named: str | None, file: str) -> Path:
    """Return where an accepted result is kept: as named, else here, in the clone, or beside this file in a wheel.

    Where there is none, it is to be kept here.
    """
    if named:
        return Path(named)
    package = Path(__file__).resolve().parent
    places = (Path(FOLDER), package.parent / FOLDER, package / FOLDER)
    return next((place for place in places if (place / file).is_file()), places[0])


def environment() -> dict[str, Any]:
    """Return what the numbers may depend on: versions and the machine."""
    versions = {package: importlib.metadata.version(package) for package in RECORDED}
    machine = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
    }
    return {**machine, "mnistlab": __version__, **versions}


@functools.cache
def versions() -> dict[str, str]:
    """Return versions by name, and of mnistlab's own sources a hash; what is not installed has none."""
    found = {"mnistlab": __version__, "mnistlab's sources": sources()}
    found["Python"] = ".".join(platform.python_version_tuple()[:2])
    for package in COMPARED:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


@functools.cache
def sources() -> str:
    """Return a hash of all that is Python in the package and in the suite, wherever the suite lies."""
    package, quality = Path(__file__).parent, suite_folder()
    files = [path for path in sorted(package.rglob("*.py")) if quality not in path.parents]
    named = [(path.relative_to(package), path) for path in files]
    named += [(Path("quality", path.name), path) for path in sorted(quality.glob("*.py"))]
    digest = hashlib.sha256()
    for name, path in named:
        content = path.read_bytes()
        digest.update(f"{name.as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def accepted(dataset: str) -> str:
    """Return a hash of what the published recipe is held against on a dataset; "none" where nothing was accepted."""
    names = f"seed-{dataset}.json", f"power-{dataset}.json"
    found = [
        path
        for path in (baseline_folder(None, names[0]) / name for name in names)
        if path.is_file()
    ]
    return (
        hashlib.sha256(b"".join(path.read_bytes() for path in found)).hexdigest()[:12]
        if found
        else "none"
    )
