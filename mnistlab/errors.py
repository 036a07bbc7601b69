"""The errors that a user is meant to read: one line that says what is wrong and what to do."""

import re
import traceback
from pathlib import Path


class MnistlabError(Exception):
    """A problem for the user to solve. The command line prints its one line without a traceback."""


class ContractError(MnistlabError):
    """A method of a pipeline raised an error or returned something that it must not return."""

    def __init__(self, method: str, problem: str) -> None:
        super().__init__(method, problem)  # both, because pickle calls the class with `args`
        self.method = method

    def __str__(self) -> str:
        """Return the message."""
        return " ".join(self.args)


class NotJudgedError(MnistlabError):
    """A requirement cannot be measured on this model. Its test is NOT RUN, for this reason."""


class NotRequiredError(NotJudgedError):
    """The spec does not require it. Its test is NOT RUN, and the run may still be PASSED."""


def describe_error(error: BaseException, file: str | None = None) -> str:
    """Describe an error in one line: type, message, and the last line of the file, or of any."""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", message).split())
    text = text if len(text) <= 200 else f"{text[:200]}..."
    if isinstance(error, SyntaxError) and error.filename:
        lines = [(error.filename, error.lineno)]
    else:
        frames = traceback.walk_tb(error.__traceback__)
        lines = [(frame.f_code.co_filename, line) for frame, line in frames]
        lines = [line for line in lines if line[0] == file] or lines[-1:]
    place = f" ({Path(lines[-1][0]).name}, line {lines[-1][1]})" if lines else ""
    return f"{type(error).__name__}: {text or 'no message'}{place}"


def type_name(value: object) -> str:
    """Name the type of a value for people: "list", "sklearn MLPClassifier"."""
    name, package = type(value).__name__, type(value).__module__.partition(".")[0]
    if value is None:
        return "None"
    return name if package == "builtins" else f"{package} {name}"
