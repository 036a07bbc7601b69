"""What results depend on: versions, source code, and where suite and accepted results lie."""

import functools
import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from mnistlab import __version__
from mnistlab.errors import MnistlabError

NUMERICS = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn")
"""Packages whose versions may change a number."""
PACKAGE = Path(__file__).resolve().parent


def suite_folder() -> Path:
    """Find the suite: in the package of an installed wheel, else in the clone."""
    for folder in (PACKAGE / "quality", PACKAGE.parent / "tests" / "quality"):
        if folder.is_dir():
            return folder
    raise MnistlabError(f"{PACKAGE}: the suite is missing; install mnistlab again")


def baseline_folder(folder: str | None, file: str) -> Path:
    """Return the chosen folder of accepted results, else the first ``baselines`` with the file."""
    if folder:
        return Path(folder)
    folders = [place / "baselines" for place in (Path(), PACKAGE.parent, PACKAGE)]
    return next((place for place in folders if (place / file).is_file()), folders[0])


def environment() -> dict[str, Any]:
    """Describe machine and versions for ``verdict.json``."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "mnistlab": __version__,
        **{name: _version(name) for name in (*NUMERICS, "matplotlib", "pytest", "pytest-html")},
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


@functools.cache
def versions() -> dict[str, str]:
    """Return what two machines must share to give the same results: versions and a source hash."""
    python = ".".join(platform.python_version_tuple()[:2])
    found = {"mnistlab": __version__, "mnistlab's sources": sources(), "Python": python}
    return found | {package: _version(package) for package in NUMERICS}


@functools.cache
def sources() -> str:
    """Hash the Python files of the package and of the suite, wherever the suite lies."""
    quality = suite_folder()
    paths = (path for path in sorted(PACKAGE.rglob("*.py")) if quality not in path.parents)
    files = {path.relative_to(PACKAGE).as_posix(): path for path in paths}
    files |= {f"quality/{path.name}": path for path in sorted(quality.glob("*.py"))}
    digest = hashlib.sha256()
    for name, path in files.items():
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def accepted_hash(dataset: str) -> str:
    """Hash the published recipe's accepted state on a dataset; "none" if there is none."""
    name = f"seed-{dataset}.json"
    path = baseline_folder(None, name) / name
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else "none"
