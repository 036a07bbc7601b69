"""Imports what ``--pipeline`` names: ``FILE.py:Name`` or ``package.module:Name``."""

import argparse
import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from mnistlab import spelling
from mnistlab.errors import MnistlabError, describe_error
from mnistlab.recipe import Spec

METHODS = ("prepare_images", "prepare_labels", "build", "fit", "predict")


def read_text(path: str, option: str) -> str:
    """Return the text of a file that an option names; MnistlabError if it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MnistlabError(f"{option}: there is no file {path} in {Path.cwd()}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise MnistlabError(f"{option}: {path} cannot be read ({error})") from error


def read_source(reference: str) -> str | None:
    """Return the text of the file that a reference names; None if it names a module."""
    try:
        location = spelling.reference(reference).rpartition(":")[0]
    except argparse.ArgumentTypeError as error:
        raise MnistlabError(str(error)) from None
    return read_text(location, f"--pipeline {reference}") if location.endswith(".py") else None


def import_pipeline(reference: str, source: str | None) -> Any:
    """Return an instance of the pipeline in the source of a file; if that is None, in a module."""
    location, _, name = reference.rpartition(":")
    try:
        module = _import(location) if source is None else _run(location, source)
        if not hasattr(module, name):
            near = spelling.did_you_mean(name, vars(module))
            raise MnistlabError(f"{location} has no {name}{near}")
        return checked_instance(name, getattr(module, name))
    except MnistlabError as error:
        raise MnistlabError(f"--pipeline {reference}: {error}") from error


def file_of(pipeline: Any) -> str | None:
    """Return the file that a pipeline's class comes from, if there is one."""
    owner = pipeline if isinstance(pipeline, type) else type(pipeline)
    return getattr(sys.modules.get(owner.__module__), "__file__", None)


def _run(file: str, source: str) -> ModuleType:
    """Run a file as a module. Like a script, it may import its neighbours."""
    path = Path(file).resolve()
    _make_importable(path.parent)
    module = ModuleType(f"mnistlab_subject_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    with _as_user_error("", str(path)):
        exec(compile(source, str(path), "exec"), vars(module))
    return module


def _import(name: str) -> ModuleType:
    """Import a module that is installed or in the working directory."""
    _make_importable(Path.cwd())
    file = None
    with contextlib.suppress(Exception, SystemExit):  # a package that raises does so again
        file = getattr(importlib.util.find_spec(name), "origin", None)
    with _as_user_error("", file):
        return importlib.import_module(name)


def _make_importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def checked_instance(name: str, named: Any) -> Any:
    """Return a pipeline, or an instance of its class, after a look at its methods and its spec."""
    file = file_of(named)
    missing = [method for method in METHODS if not callable(getattr(named, method, None))]
    if not missing and isinstance(named, type):
        with _as_user_error(f"{name}() ", file):
            named = named()
    if not missing and not hasattr(type(named), "spec") and not hasattr(named, "spec"):
        missing = ["spec"]
    if missing:
        required = f"required {', '.join(METHODS)} and spec, as in mnistlab.Pipeline"
        raise MnistlabError(f"{name} is not a pipeline: it has no {', '.join(missing)}; {required}")
    with _as_user_error(f"the name of {name} ", file):
        getattr(named, "name", None)
    with _as_user_error(f"the spec of {name} ", file):
        spec = named.spec
    if not isinstance(spec, Spec):
        got = f"the spec of {name} is of type {type(spec).__name__}"
        raise MnistlabError(f"{got}; required mnistlab.Spec")
    return named


@contextlib.contextmanager
def _as_user_error(what: str, file: str | None) -> Iterator[None]:
    """Turn any error of the user's code into one line."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise MnistlabError(f"{what}raised {describe_error(error, file)}") from error
