"""The one error a user is meant to read."""


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one line: what was given (file, row or flag), what was expected and what to do.
    The command prints it and exits with status 2; the pages show it in place of a result.
    """
