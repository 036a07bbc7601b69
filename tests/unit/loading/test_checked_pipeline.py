"""A pipeline is found by its name, judged by its own spec, and travels without its file."""

import pickle
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest

from mnistlab.errors import MnistlabError
from mnistlab.loading.checked_pipeline import load_pipeline
from mnistlab.recipe import DIGITS, PUBLISHED, Pipeline, Spec

BARE = """
    import numpy as np
    from mnistlab.recipe import Spec

    class Bare:
        spec = Spec(epochs=2)
        def prepare_images(self, images): return np.zeros((len(images), 28, 28), np.float32)
        def prepare_labels(self, labels): pass
        def build(self, seed): pass
        def fit(self, model, images, labels, *, seed, epochs=None): pass
        def predict(self, model, images): pass

    bare = Bare()
"""
SAME = """
    from mnistlab.recipe import Pipeline

    class Same(Pipeline):
        pass
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes a file into the working directory, a new one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("package", "package.module"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    def written(text, name="mine.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return written


@pytest.mark.parametrize("place", ["mine.py", "package/module.py"])
@pytest.mark.parametrize("name", ["Bare", "bare"])
def test_a_class_or_an_instance_is_found_in_a_file_or_a_module(write, place, name):
    write(BARE, place)
    reference = place if place == "mine.py" else "package.module"
    subject = load_pipeline(f"{reference}:{name}", None, "mnist")
    assert (subject.name, subject.spec) == ("Bare", Spec(epochs=2))
    assert subject.prepare_images(np.zeros((4, 28, 28), np.uint8)).shape == (4, 28, 28)


def test_a_file_may_import_what_lies_beside_it(write):
    write("SPLIT = 0.25", "folder/beside.py")
    write(
        BARE.replace("epochs=2", "validation_split=beside.SPLIT").replace(
            "import", "import beside;import", 1
        ),
        "folder/mine.py",
    )
    assert load_pipeline("folder/mine.py:Bare", None, "mnist").spec.validation_split == 0.25


@pytest.mark.parametrize(
    ("reference", "text", "message"),
    [
        ("no.py:Bare", "", r"there is no file no\.py in /"),
        ("no.such:Bare", "", r"there is no module no, neither in .* nor installed$"),
        ("mine.py", BARE, r"--pipeline mine\.py: required FILE\.py:Name or package\.module:Name"),
        (
            ".mine:Bare",
            BARE,
            r"--pipeline \.mine:Bare: required FILE\.py:Name or package\.module:Name",
        ),
        ("mine.py:", BARE, r"required FILE\.py:Name"),
        ("mine.py:Nobody", BARE, r"mine\.py has no Nobody$"),
        ("mine:Bear", BARE, r"mine has no Bear; did you mean Bare\?$"),
        ("mine.py:Bear", BARE + "    globals()", r"mine\.py has no Bear; did you mean Bare\?$"),
        (
            "mine.py:np",
            BARE,
            r"np is not a pipeline: it has no prepare_images, prepare_labels, build, fit, pre",
        ),
        (
            "mine.py:Bare",
            BARE.replace("def fit", "def train"),
            r"Bare is not a pipeline: it has no fit; required",
        ),
        (
            "mine.py:Bare",
            BARE.replace("spec = ", "promise = "),
            r"Bare is not a pipeline: it has no spec; required",
        ),
        (
            "mine.py:Bare",
            BARE.replace("Spec(epochs=2)", "{}"),
            r"the spec of Bare is of type dict; required",
        ),
        (
            "mine.py:Bare",
            BARE + "    Bare.spec = property(lambda self: 1 / 0)",
            r"the spec of Bare raised ZeroDiv",
        ),
        (
            "mine.py:Bare",
            BARE + "    Bare.spec = property(lambda self: self.no)",
            r"the spec of Bare raised Attrib",
        ),
        (
            "mine.py:Bare",
            BARE.replace("epochs=2", "epochs=0"),
            r"spec\.epochs = 0; .* from 1 \(mine\.py, line 6\)$",
        ),
        (
            "mine.py:Bare",
            BARE.replace("epochs=2", "batch_size=10**400"),
            r"spec\.batch_size = 10{58}\d?; required",
        ),
        (
            "mine.py:Bare",
            BARE.replace("epochs=2", "layers=[1]"),
            r"spec\.layers = \[1\]; required a tuple",
        ),
        (
            "mine.py:make",
            "def make(): pass",
            r"make is not a pipeline: it has no prepare_images, .*, as in mnistlab\.Pipeline$",
        ),
        (
            "mine.py:Bare",
            BARE + "    Bare.name = property(lambda self: 1 / 0)",
            r"the name of Bare raised ZeroDiv",
        ),
        (
            "mine.py:Bare",
            "import no_such_module as Bare",
            r"raised ModuleNotFoundError: .* \(mine\.py, line 1\)$",
        ),
        (
            "mine.py:Bare",
            "\n\nclass Bare\n",
            r"raised SyntaxError: expected ':' \(mine\.py, line 3\)$",
        ),
        (
            "mine.py:Bare",
            "raise SystemExit(2)\nBare = 1",
            r"raised SystemExit: 2 \(mine\.py, line 1\)$",
        ),
        ("mine:Bare", "\nraise KeyError('x')", r"raised KeyError: 'x' \(mine\.py, line 2\)$"),
        (
            "mine.py:Bare",
            BARE + "    Bare.__init__ = lambda self, size: None",
            r"Bare\(\) raised TypeError: .*size",
        ),
        (
            "mine.py:Bare",
            BARE.replace("spec =", "name = 'a/b'; spec ="),
            r"name 'a/b' is used in file",
        ),
    ],
)
def test_what_is_no_pipeline_is_refused_in_one_line(write, monkeypatch, reference, text, message):
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    write(text)
    with pytest.raises(MnistlabError, match=message) as caught:
        load_pipeline(reference, None, "mnist")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("raised", ["1 / 0", "raise SystemExit(2)"])
def test_a_package_that_raises_is_refused_in_one_line_whatever_is_named_in_it(write, raised):
    write(raised, "package/__init__.py")
    write(BARE, "package/module.py")
    what = r"raised (ZeroDivisionError|SystemExit): .* \(__init__\.py, line 1\)$"
    with pytest.raises(MnistlabError, match=f"^--pipeline package.module:Bare: {what}"):
        load_pipeline("package.module:Bare", None, "mnist")


def test_an_abstract_pipeline_is_refused(write):
    write("""
        from abc import abstractmethod
        from abc import ABC
        from mnistlab.recipe import Pipeline

        class Mine(Pipeline, ABC):
            @abstractmethod
            def fit(self, model, images, labels, *, seed, epochs=None): ...
    """)
    with pytest.raises(
        MnistlabError,
        match=r"Mine\(\) raised TypeError: Can't instantiate abstract class Mine .*fit",
    ):
        load_pipeline("mine.py:Mine", None, "mnist")


def test_without_a_reference_it_is_the_published_recipe():
    for dataset, spec in (("mnist", PUBLISHED), ("digits", DIGITS)):
        subject = load_pipeline(None, None, dataset)
        assert type(subject.pipeline) is Pipeline
        assert (subject.name, subject.spec, subject.pipeline.spec) == ("seed", spec, spec)


def test_who_keeps_the_published_spec_is_judged_on_the_digits_by_that_of_the_digits(write):
    write(SAME)
    subject = load_pipeline("mine.py:Same", None, "digits")
    assert (subject.name, subject.spec) == ("seed", DIGITS)
    assert subject.pipeline.spec is DIGITS  # by which its fit trains
    names = [f"{bound.name} on MNIST" for bound in PUBLISHED.bounds]
    assert [bound.name for bound in subject.mnist_bounds] == names
    assert [bound.bound for bound in subject.mnist_bounds] == [
        bound.bound for bound in PUBLISHED.bounds
    ]


def test_bounds_of_another_dataset_are_not_applied(write):
    write(BARE)
    subject = load_pipeline("mine.py:Bare", None, "digits")
    assert (subject.spec.bounds, subject.spec.epochs) == ((), 2)
    assert [bound.name for bound in subject.mnist_bounds] == ["test accuracy on MNIST"]


def test_on_a_dataset_of_ones_own_only_bounds_that_are_stated_for_it_apply(write):
    assert load_pipeline(None, None, "letters").spec == replace(
        PUBLISHED, dataset="letters", bounds=()
    )
    write("[bounds]\n'test accuracy' = 0.8", "mine.toml")
    spec = load_pipeline(None, "mine.toml", "letters").spec
    assert (spec.dataset, spec.bound("test accuracy").bound) == ("letters", 0.8)


def test_a_spec_of_its_own_without_a_name_is_not_the_published_recipes(write):
    write(SAME.replace("pass", "spec = Pipeline.spec.__class__(epochs=1)"))
    assert load_pipeline("mine.py:Same", None, "mnist").name == "Same"


def test_toml_is_put_over_the_pipelines_own_spec(write):
    write(BARE)
    write(
        "[spec]\nbatch_size = 64\n[bounds]\n'test accuracy' = false\n[gate]\nmargin = 0.002",
        "mine.toml",
    )
    subject = load_pipeline("mine.py:Bare", "mine.toml", "mnist")
    assert (subject.spec, subject.margin) == (Spec(epochs=2, batch_size=64, bounds=()), 0.002)


def test_a_spec_that_cannot_be_read_is_named(write):
    with pytest.raises(MnistlabError, match=r"^--spec no\.toml: there is no file no\.toml in /"):
        load_pipeline(None, "no.toml", "mnist")


def test_a_subject_travels_to_where_its_files_are_not(write):
    files = [write(BARE), write("[spec]\nepochs = 3", "mine.toml")]
    subject = load_pipeline("mine.py:Bare", "mine.toml", "mnist")
    subject.pipeline.calls = 7
    sent = pickle.dumps(subject)
    for file in files:
        file.unlink()
    arrived = pickle.loads(sent)
    assert (arrived.name, arrived.spec, arrived.margin) == ("Bare", Spec(epochs=3), None)
    assert not hasattr(arrived.pipeline, "calls"), "it is made anew, as in any other process"
