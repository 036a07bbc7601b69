# The types of the names that __init__.py imports lazily.
from mnistlab.data import load_dataset as load_dataset
from mnistlab.errors import MnistlabError as MnistlabError
from mnistlab.plugin.validation import ValidationResult as ValidationResult
from mnistlab.plugin.validation import validate as validate
from mnistlab.recipe import Layer as Layer
from mnistlab.recipe import Pipeline as Pipeline
from mnistlab.recipe import Spec as Spec
from mnistlab.recipe import bounds_of as bounds_of
from mnistlab.requirement import Requirement as Requirement

__version__: str
