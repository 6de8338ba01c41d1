"""The error that users read, and how errors of decoders become one."""

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

RESTORE = "restore it, or run the command that made it"


class InputError(Exception):
    """The user's input cannot be used.

    The message is one line: the file, row or flag, what was expected, and what to do. The command
    prints it and exits with status 2; the pages show it in place of a result. Line ends and control
    characters, which may come from a cell of a table, become blanks. A message of more than LONGEST
    characters is cut in its middle.
    """

    LONGEST = 2000

    def __init__(self, message: str):
        text = printable(message)
        if len(text) > self.LONGEST:
            text = f"{text[: self.LONGEST // 2]} … {text[-self.LONGEST // 2 :]}"
        super().__init__(text)


@contextmanager
def decoding(path: str | PathLike, remedy: str = RESTORE) -> Iterator[None]:
    """Turn any error of the decoder of a file format into an InputError that names the file.

    Damaged bytes make decoders raise nearly everything (struct.error, KeyError, RecursionError,
    errors of libraries). So only the call of the decoder belongs inside, without other logic.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: {remedy}") from error
    except MemoryError as error:
        raise InputError(f"{path} needs more memory than this machine has free") from error
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"{path} cannot be read ({error.strerror}): {remedy}") from error
        raise InputError(
            f"{path} is damaged or truncated ({first_line(error)}): {remedy}"
        ) from error


def printable(text: str) -> str:
    """The text with a blank for each line end and control character."""
    return "".join(c if c.isprintable() else " " for c in text)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, shortened; its type where there is no message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
