"""Training in the background: the button that starts it, and the queue in the sidebar."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from bnn_core.base import roots
from bnn_core.base.errors import InputError
from bnn_core.recipes import jobs
from bnn_core.study.catalogue import cache_root
from pages.shared import frame, studies
from pages.shared.commands import command
from pages.shared.words import as_sentence, plain

_EVERY_SECONDS = 2.0
_TITLES = {
    jobs.WAITING: "Waiting",
    jobs.RUNNING: "In progress",
    jobs.INTERRUPTED: "Interrupted",
    jobs.DONE: "Ready",
    jobs.FAILED: "Failed",
    jobs.CANCELLED: "Cancelled",
}


def button(
    label: str,
    words: Sequence[str],
    study: str,
    key: str,
    given: Sequence[Path] = (),
    *,
    adds: bool = False,
) -> None:
    """The button that adds the command `bnn <words>` to the queue.

    study: name of the study that the command makes; the user confirms that it replaces an existing
    one, unless the command only adds to it (adds). given: uploaded files or folders that the job
    keeps until it ends. Draws nothing where this server does not train.
    """
    if not roots.may_train():
        return
    if problem := st.session_state.pop(f"{key}_problem", None):
        st.error(plain(problem), icon=":material/error:")
    if any(job.study == study and job.state not in jobs.FINAL for job in _jobs()):
        st.info(
            f"**{plain(study)}** is in the queue. Its progress is in the sidebar of every page.",
            icon=":material/hourglass_top:",
        )
        return
    exists = not adds and study in {entry.name for entry in studies.entries()}
    replace = exists and st.checkbox(f"Replace the study “{plain(study)}”", key=f"{key}_replace")
    # browser.js moves the focus from a container of this name to the job.
    st.container(key=f"queue_{key}").button(
        label,
        key=key,
        icon=":material/play_arrow:",
        type="primary",
        disabled=exists and not replace,
        help="Runs the command below on this machine, after those in the queue. It goes on when you "
        "close the browser or the app."
        + (f" At its end it replaces the study “{plain(study)}”." if exists else ""),
        on_click=_submit,
        args=((*words, *(["--force"] if replace else [])), study, key, given),
    )


def draw() -> None:
    """The queue of this cache folder, in the sidebar of every page; nothing while it is empty."""
    queue = _jobs()
    if queue:
        active = any(job.state in (jobs.WAITING, jobs.RUNNING) for job in queue)
        st.fragment(_queue, run_every=_EVERY_SECONDS if active else None)(
            tuple((job.folder.name, job.state) for job in queue),
            studies.OPEN_NEXT in st.session_state,
        )


def _queue(before: tuple[tuple[str, str], ...], opening: bool) -> None:
    """before: (number, state) of the jobs when the page was drawn; opening: whether it opens a study."""
    queue = _jobs()
    with st.container(key="jobs", gap="xsmall"):
        for job in queue:
            _draw_job(job)
    if studies.OPEN_NEXT in st.session_state and not opening:
        st.rerun()  # pages/main.py opens it
    if tuple((job.folder.name, job.state) for job in queue) != before:
        states = dict(before)
        for job in queue:
            if job.state in (jobs.DONE, jobs.FAILED) and states.get(job.folder.name) != job.state:
                st.toast(f"{_TITLES[job.state]}: {plain(job.study)}", icon=":material/science:")
        st.rerun()  # a new study is in the menu, and the clock may stop


def _jobs() -> list[jobs.Job]:
    return jobs.list_jobs(cache_root())


def _draw_job(job: jobs.Job) -> None:
    number, root = job.folder.name, cache_root()
    st.markdown(
        f":small[{_TITLES[job.state]}: **{plain(job.study)}**]",
        help=plain(shlex.join(["bnn", *job.words])),
    )
    if job.state == jobs.RUNNING:
        share, text = job.progress()
        st.progress(share or 0.0, f":small[{plain(text) or 'starting'}]")
    elif job.problem:
        st.markdown(f":small[:red[:material/error: {as_sentence(job.problem)}]]")
    if job.state in (jobs.INTERRUPTED, jobs.FAILED, jobs.CANCELLED):
        # It can go on by hand, here or on another machine, also where this server does not train.
        st.code(command(*job.words), language="bash", wrap_lines=True)

    def small_button(label: str, action, *args: object) -> None:
        st.button(label, key=f"job_{number}_{label}", type="tertiary", on_click=action, args=args)

    with st.container(horizontal=True, gap="small"):
        if job.state == jobs.DONE:
            small_button("Open study", _open, job)
        if not roots.may_train():
            return
        if job.state == jobs.INTERRUPTED:
            small_button("Continue", jobs.resume, root)
        if job.state in (jobs.FAILED, jobs.CANCELLED):
            small_button("Continue", jobs.again, root, job.folder)
        if job.state in jobs.FINAL:
            small_button("Remove from list", jobs.remove, job.folder)
        else:
            small_button("Cancel", jobs.cancel, root, job.folder)


def _submit(words: tuple[str, ...], study: str, key: str, given: Sequence[Path]) -> None:
    try:
        jobs.submit(cache_root(), words, study, given)
    except InputError as error:
        st.session_state[f"{key}_problem"] = str(error)


def _open(job: jobs.Job) -> None:
    if roots.may_train():
        jobs.remove(job.folder)
    st.session_state[studies.OPEN_NEXT] = job.study
    adds = job.words[:1] == ("predict",)
    frame.open_page("out_of_distribution/page.py" if adds else "overview/page.py", {})
