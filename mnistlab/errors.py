"""The one base class of the errors that a user is meant to read."""


class MnistlabError(Exception):
    """What went wrong, what was required and what to do next, in one line.

    The command line prints it without a traceback.
    """
