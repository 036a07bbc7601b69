"""The errors that a user is meant to read."""

import re
from pathlib import Path

LONGEST = 200
"""Characters of somebody else's message that are shown."""


class MnistlabError(Exception):
    """What went wrong, what was required and what to do next, in one line.

    The command line prints it without a traceback.
    """


class ContractError(MnistlabError):
    """A method of a pipeline raised, or returned something else than it must.

    Parameters
    ----------
    method : str
        Its name, which begins the message.
    what : str
        What it did, what is required, and what to do next.
    """

    def __init__(self, method: str, what: str) -> None:
        super().__init__(method, what)  # both, so that it travels between processes
        self.method = method

    def __str__(self) -> str:
        """Return the message."""
        return " ".join(self.args)


class NotJudgedError(MnistlabError):
    """A requirement cannot be judged of this subject: its test is NOT RUN, with this reason."""


class NotRequiredError(NotJudgedError):
    """The subject's spec does not ask for it: NOT RUN as well, but the run may be PASSED without it."""


def describe_error(error: BaseException, file: str | None) -> str:
    """Return an error's type, its message in one line, and the line of the user's file that it came from."""
    said = error.msg if isinstance(error, SyntaxError) else error
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(said)).split())
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    place = _place(error, file)
    return f"{type(error).__name__}: {text or 'no message'}{place}"


def _place(error: BaseException, file: str | None) -> str:
    """Return the last line of the user's own file in a traceback, or of any, for people."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({Path(error.filename).name}, line {error.lineno})"
    lines, traceback = [], error.__traceback__
    while traceback:
        lines.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    own = [line for line in lines if line[0] == file] or lines[-1:]
    return f" ({Path(own[-1][0]).name}, line {own[-1][1]})" if own else ""
