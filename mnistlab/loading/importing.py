"""Finds a pipeline by what ``--pipeline`` names: ``FILE.py:Name`` or ``package.module:Name``."""

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from mnistlab.errors import MnistlabError, describe_error
from mnistlab.loading.spec_toml import check_spec
from mnistlab.recipe import Spec

METHODS = ("prepare_images", "prepare_labels", "build", "fit", "predict")


def read_source(text: str) -> str | None:
    """Return the text of the file that a reference names; None if it names a module."""
    place, _ = _parts(text)
    if not place.endswith(".py"):
        return None
    try:
        return Path(place).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MnistlabError(
            f"--pipeline {text}: there is no file {place} in {Path.cwd()}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise MnistlabError(f"--pipeline {text}: {place} cannot be read ({error})") from error


def import_pipeline(text: str, source: str | None) -> Any:
    """Return the pipeline that a reference names; `source` is the text of its file, which need not be there.

    MnistlabError says in one line why it is none, with the file's own line where it raised.
    """
    place, name = _parts(text)
    try:
        module = _imported(place) if source is None else _run(place, source)
        if not hasattr(module, name):
            own = [
                key
                for key, value in vars(module).items()
                if _is_own(value, module) and not _lacks(value)
            ]
            raise MnistlabError(
                f"{place} has no {name}; pipelines in it: {', '.join(own) or 'none'}"
            )
        return _pipeline(name, getattr(module, name))
    except MnistlabError as error:
        raise MnistlabError(f"--pipeline {text}: {error}") from error


def file_of(pipeline: Any) -> str | None:
    """Return the file that a pipeline's class comes from, if there is one."""
    owner = pipeline if isinstance(pipeline, type) else type(pipeline)
    return getattr(sys.modules.get(owner.__module__), "__file__", None)


def _parts(text: str) -> tuple[str, str]:
    place, _, name = text.rpartition(":")
    is_place = place.endswith(".py") or all(part.isidentifier() for part in place.split("."))
    if not is_place or not name.isidentifier():
        required = "required FILE.py:Name or package.module:Name, of a class or an instance"
        raise MnistlabError(f"--pipeline {text}: {required}")
    return place, name


def _run(place: str, source: str) -> ModuleType:
    """Run a file as a module of its own; what lies beside it can be imported, as when Python runs a script."""
    path = Path(place).resolve()
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    module = ModuleType(f"mnistlab_subject_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, str(path), "exec"), vars(module))
    except (Exception, SystemExit) as error:
        raise MnistlabError(f"raised {describe_error(error, str(path))}") from error
    return module


def _imported(place: str) -> ModuleType:
    """Import a module, also from the working directory."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(place)
    except (Exception, SystemExit) as error:
        if (
            isinstance(error, ModuleNotFoundError)
            and error.name
            and f"{place}.".startswith(f"{error.name}.")
        ):
            where = "neither in the working directory nor installed"
            raise MnistlabError(f"there is no module {error.name}, {where}") from None
        file = None
        with contextlib.suppress(
            Exception, SystemExit
        ):  # raised again, if it is the package of the module that raises
            file = getattr(importlib.util.find_spec(place), "origin", None)
        raise MnistlabError(f"raised {describe_error(error, file)}") from error


def _pipeline(name: str, named: Any) -> Any:
    """Return an instance of what was named, if it is a pipeline."""
    if not isinstance(named, type) and callable(named) and _lacks(named):
        raise MnistlabError(f"{name} is a {type(named).__name__}; required a class or an instance")
    lacks = _lacks(named)
    if not lacks:
        named = _asked(f"{name}()", named, named) if isinstance(named, type) else named
        lacks = [] if hasattr(type(named), "spec") or hasattr(named, "spec") else ["spec"]
    if lacks:
        required = (
            f"required {', '.join(METHODS)} and spec, which mnistlab.recipe.pipeline.Pipeline has"
        )
        raise MnistlabError(f"{name} is no pipeline, it lacks {', '.join(lacks)}; {required}")
    spec = _asked(f"the spec of {name}", lambda: named.spec, named)
    if not isinstance(spec, Spec):
        raise MnistlabError(
            f"the spec of {name} is of type {type(spec).__name__}; required mnistlab.recipe.spec.Spec"
        )
    check_spec(spec)
    _asked(f"the name of {name}", lambda: getattr(named, "name", None), named)
    return named


def _asked(what: str, ask: Callable[[], Any], pipeline: Any) -> Any:
    """Return what a pipeline's own code answers."""
    try:
        return ask()
    except (Exception, SystemExit) as error:
        raise MnistlabError(f"{what} raised {describe_error(error, file_of(pipeline))}") from error


def _lacks(named: Any) -> list[str]:
    """Return the methods that an object or a class needs to be a pipeline and does not have."""
    return [name for name in METHODS if not callable(getattr(named, name, None))]


def _is_own(value: Any, module: ModuleType) -> bool:
    return getattr(value, "__module__", type(value).__module__) == module.__name__
