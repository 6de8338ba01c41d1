"""One maker at a time for each study, and the swap that puts a new study in the old one's place.

A maker holds the file `.<name>.lock` beside the study from its plan to the swap. The lock goes with
the process. The swap renames the old study to `.<name>.replaced` and the new one into place. A
process that dies between the two leaves no study under the name; whoever looks next, a maker or a
reader, puts the old one back.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bnn_core.base.errors import InputError
from bnn_core.base.files import TakenError, alone, unwritable
from bnn_core.base.limits import LONGEST_NAME
from bnn_core.base.roots import demand_making, demand_place

REPLACED = ".replaced"
#: A study that is not finished is in the folder `<name>.making`.
MAKING = ".making"
#: An ending of folders that earlier versions set aside.
_OLD = ".old"
#: A reader waits so many seconds for the moment in which a living maker swaps.
_SWAP_SECONDS = 5.0


@contextmanager
def study_lock(out: Path) -> Iterator[None]:
    """Be the only maker of the study `out` for the block; a thread may take it again.

    Raises TakenError naming the process that makes it, InputError where the folder cannot be
    written or nothing may be made (there).
    """
    demand_making()
    out = Path(out)
    demand_place(out)
    demand_name(out.name)
    if any("\udc80" <= c <= "\udcff" for c in str(out.parent)):  # bytes that are no text
        raise InputError(f"{str(out)!a}: a folder whose name is no text cannot hold studies")
    folder, new = out.parent, not out.parent.exists()
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if new:
                held.callback(_remove_empty, folder)
            held.enter_context(
                alone(
                    _lock(out),
                    f"study {out} is being made by another process; wait for it, or choose "
                    "another --out",
                    again=True,
                )
            )
            _put_back(out)
        except OSError as error:
            raise unwritable(error, folder, "choose another --out") from error
        yield


def demand_name(name: str) -> None:
    """InputError for a study's name that no file system takes, or that no list of studies shows."""
    if name in ("", ".."):
        raise InputError("the study's folder has no name: give its full path")
    if name != name.strip() or not name.isprintable() or name[0] == "." or "\\" in name:
        raise InputError(
            f"the name {name[:60]!a} of a study must not contain line ends, other characters that "
            "cannot be printed or backslashes, begin with a dot, or begin or end with a blank"
        )
    if name.endswith((MAKING, _OLD)):
        raise InputError(f"the name '{name[:60]}' of a study must not end in {MAKING} or {_OLD}")
    if (length := len(os.fsencode(name))) > LONGEST_NAME:
        raise InputError(
            f"the name '{name[:30]}…' of the study has {length} bytes, and at most {LONGEST_NAME} are "
            "possible; choose a shorter name"
        )


def swap_in(making: Path, out: Path) -> None:
    """Put the finished folder `making` in the place of the study `out`; to be called with its lock.

    Readers that have files of the old study open keep them.
    """
    replaced = out.with_name(f".{out.name}{REPLACED}")
    if out.exists():
        os.rename(out, replaced)
    try:
        os.rename(making, out)
    except BaseException:
        if replaced.exists() and not out.exists():
            os.rename(replaced, out)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def settle(out: Path) -> None:
    """Put a study back whose maker died in the middle of the swap; this waits for a living one.

    Does nothing if the study is complete, or if this process may not write.
    """
    replaced = out.with_name(f".{out.name}{REPLACED}")
    end = time.monotonic() + _SWAP_SECONDS
    while replaced.is_dir() and not out.exists() and time.monotonic() < end:
        try:
            with alone(_lock(out), ""):
                _put_back(out)
        except TakenError:
            continue
        except OSError:
            return


def settle_all(root: Path) -> None:
    """`settle` for every study of a folder."""
    for replaced in root.glob(f".*{REPLACED}"):
        settle(root / replaced.name[1:].removesuffix(REPLACED))


def _lock(out: Path) -> Path:
    return out.with_name(f".{out.name}.lock")


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # it holds the study
        folder.rmdir()


def _put_back(out: Path) -> None:
    """What a maker left that died in the swap, or while it removed the old study."""
    replaced = out.with_name(f".{out.name}{REPLACED}")
    if not replaced.is_dir():
        return
    if (out / "study.json").is_file():
        shutil.rmtree(replaced, ignore_errors=True)
    elif not out.exists():
        os.rename(replaced, out)
    elif out.is_dir() and not any(out.iterdir()):
        out.rmdir()
        os.rename(replaced, out)
