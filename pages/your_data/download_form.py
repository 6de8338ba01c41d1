"""Public data sets: fetched by `bnn data` itself, whose progress and errors the page shows.

One download at a time for all who use this server; it goes on when the page is left.
"""

import atexit
import re
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

import streamlit as st

import bnn_core
from bnn_core.base import roots
from bnn_core.datasets.mnist import data_root
from pages.shared.words import as_sentence, plain
from pages.your_data import forms

#: A line of tqdm: what is done, percent, then numbers.
_BAR = re.compile(r"(.*?):? *(\d+)%\|.*?\| *(.*)")
_TAIL_BYTES = 8192
#: What the page has for the flags of `bnn data`.
FIELDS = {
    "plates": "Plates",
    "labelled": "Only labelled compounds and DMSO",
    "data": "$BNN_DATA, set before starting the app",
}
_STARTING = threading.Lock()
#: In the session: the question that must be confirmed before a download starts.
_ASKED = "_fetch_asked"


@dataclass
class Download:
    """`bnn data ...` as a separate process; `log` has its output."""

    words: tuple[str, ...]
    process: subprocess.Popen
    log: Path
    stopped: bool = False

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def last_line(self) -> str:
        """The last line of its output, progress included."""
        with open(self.log, "rb") as file:
            file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            lines = re.split(r"[\r\n]+", file.read().decode(errors="replace"))
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def stop(self) -> None:
        """End it, if it still runs."""
        if self.running:
            self.stopped = True  # before it ends: others look on
            self.process.terminate()
            self.stopped = self.process.wait() != 0


def draw_state() -> None:
    """The download in progress, or how the last one ended."""
    downloads = _downloads()
    if downloads:
        st.fragment(_state, run_every=1.0 if downloads[-1].running else None)(downloads[-1])


def button(label: str, words: Sequence[str], question: str | None = None) -> None:
    """A button that fetches what `bnn data` with these words fetches.

    question: what must be confirmed first; None: nothing.
    """
    busy = bool(_downloads()) and _downloads()[-1].running
    pressed = st.button(
        label,
        key=f"fetch_{words[0]}",
        icon=":material/download:",
        disabled=busy,
        help="A download is running." if busy else None,
        on_click=lambda: st.session_state.update({_ASKED: question}),
    )
    if question is None and pressed:
        _begin(words)
    if question is not None and st.session_state.get(_ASKED):
        st.dialog(label, on_dismiss=_forget)(_confirm)(question, words)


def _forget() -> None:
    """Close the question; a callback."""
    st.session_state.pop(_ASKED, None)


def _confirm(question: str, words: Sequence[str]) -> None:
    if _ASKED not in st.session_state:
        st.rerun()  # cancelled: the page is drawn without the dialog
    st.markdown(question)
    free = disk_usage(_existing(data_root().resolve())).free
    st.markdown(f"Free in `{data_root().resolve()}`: **{free / 1e9:,.0f} GB**.")
    with st.container(horizontal=True):
        if st.button("Fetch", key="fetch_go", type="primary", icon=":material/download:"):
            _forget()
            _begin(words)
        st.button("Cancel", key="fetch_cancel", on_click=_forget)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _begin(words: Sequence[str]) -> None:
    if not start(tuple(words)):
        st.toast("Another download started just before, so this one did not start.")
    st.rerun()


def start(words: tuple[str, ...]) -> bool:
    """Run `bnn data` with these words, into the folder that the app itself reads.

    False, and nothing is done, while a download runs. InputError where nothing may be made.
    """
    roots.demand_making()
    with _STARTING:
        downloads = _downloads()
        if downloads and downloads[-1].running:
            return False
        with tempfile.NamedTemporaryFile(dir=_folder(), suffix=".log", delete=False) as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "bnn_core.commands.cli",
                    "data",
                    *words,
                    "--data",
                    str(data_root().resolve()),
                ],
                cwd=Path(bnn_core.__file__).parents[1],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        downloads.append(Download(words, process, Path(log.name)))
        return True


def _state(download: Download) -> None:
    command = plain(shlex.join(["bnn", "data", *download.words]))
    line = download.last_line()
    if download.running:
        bar = _BAR.fullmatch(line)
        left, right = st.columns([6, 1], vertical_alignment="bottom")
        left.markdown(f"Fetching: {command}")
        left.progress(int(bar[2]) if bar else 0, plain(f"{bar[1]} {bar[3]}" if bar else line))
        if right.button("Stop", key="fetch_stop", icon=":material/stop:"):
            download.stop()
            st.rerun()
    elif download.stopped:
        st.info(
            f"Stopped: {command}. "
            + (
                "The downloaded part is kept, and the same download continues from there."
                if download.words[0] == "bbbc021"
                else "The same download starts from the beginning."
            ),
            icon=":material/stop:",
        )
    elif download.process.returncode:
        st.error(
            as_sentence(forms.say(line.removeprefix("bnn: "), FIELDS)), icon=":material/error:"
        )
    else:
        st.success(f"Fetched: {plain(line)}", icon=":material/check:")
    if not download.running and not st.session_state.get(f"fetch_ended_{download.log}"):
        # Once more for the whole page: its buttons work again, and the clock stops.
        st.session_state[f"fetch_ended_{download.log}"] = True
        st.rerun()


@st.cache_resource(show_spinner=False)
def _downloads() -> list[Download]:
    """All downloads since the server started, the latest last; they end with the server."""
    downloads: list[Download] = []
    atexit.register(lambda: [download.stop() for download in downloads])
    return downloads


@st.cache_resource(show_spinner=False)
def _folder() -> Path:
    kept = tempfile.TemporaryDirectory(prefix="bnn-downloads-")
    atexit.register(kept.cleanup)
    return Path(kept.name)
