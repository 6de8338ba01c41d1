"""How does one server hold up under several users? Real sessions, by Streamlit's own protocol.

PYTHONPATH=.:tests/helpers python tests/benchmarks/load.py CACHE --users 1 10 30 --seconds 180

PYTHONPATH=.:tests/helpers python tests/benchmarks/load.py CACHE --flag 10 --seconds 60

CACHE: a folder of studies; copied first. Every user is a WebSocket of its own, opens a random page of a
random study, waits until it is drawn, thinks for up to --think seconds, and goes on. Prints for each
number of users: pages drawn, their median, 95 % and longest seconds, failures, the server's memory at
the end, and how fast that grew after the first third.

    PYTHONPATH=.:tests/helpers python tests/benchmarks/load.py CACHE --beside compare_methods

With --beside, one session opens that page of the largest study for the first time, while another
goes from page to page of the smallest one. Prints how long the other waited before and meanwhile.

With --flag, that many reviewers flag random images of One image as fast as they can, every flag under a
name of its own; after --seconds the server is killed (SIGKILL). Prints flags that a session was told are
recorded, and how many of these the review log lacks.
"""

import argparse
import asyncio
import itertools
import random
import re
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from browsing import serving
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bnn_core.review.log import ReviewLog
from bnn_core.study import derived
from bnn_core.study.folder import open_study

PAGES = (
    "overview",
    "mechanisms",
    "plates",
    "one_image",
    "confidence",
    "bnn_vs_standard",
    "out_of_distribution",
    "compare_methods",
    "suspect_labels",
    "review_list",
)
FIELDS = ("button", "button_group", "selectbox", "text_input")
PATIENCE = 120


async def draw(
    socket: ClientConnection,
    query: str,
    page: str,
    widgets: dict[str, str | bool | list[str]] | None = None,
    ids: dict[str, str] | None = None,
) -> str:
    """Ask for a page and read until it is drawn; what failed, or "".

    widgets: id -> text typed, texts chosen, or True for a button that is pressed. ids: gets the id of
    every button and field that is drawn, by its key without the part that depends on the image.
    """
    message = BackMsg()
    message.rerun_script.query_string = query
    message.rerun_script.page_name = page
    for name, value in (widgets or {}).items():
        state = message.rerun_script.widget_states.widgets.add(id=name)
        if value is True:
            state.trigger_value = True
        elif isinstance(value, list):
            state.string_array_value.data.extend(value)
        else:
            state.string_value = value
    await socket.send(message.SerializeToString())
    problem = ""
    while True:
        answer = ForwardMsg.FromString(await socket.recv())
        if answer.WhichOneof("type") == "delta":
            element = answer.delta.new_element
            if element.WhichOneof("type") == "exception":
                problem = f"{page}: {element.exception.message[:80]}"
            if ids is not None and element.WhichOneof("type") in FIELDS:
                name = getattr(element, element.WhichOneof("type")).id
                ids[re.sub("_[0-9a-f]{16}", "", name.split("-", 2)[-1])] = name
        elif answer.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY and answer.HasField(
            "script_finished"
        ):
            return problem


async def user(
    url: str, studies: list[str], seed: int, think: float, end: float, seen: list
) -> None:
    """One user until `end`; seen: (seconds, problem) of each page."""
    choice = random.Random(seed)
    await asyncio.sleep(choice.uniform(0, think))
    address = url.replace("http", "ws") + "/_stcore/stream"
    while time.monotonic() < end:
        start = time.monotonic()
        try:
            async with connect(address, subprotocols=["streamlit"], max_size=None) as socket:
                while time.monotonic() < end:
                    start, query = time.monotonic(), f"study={choice.choice(studies)}"
                    async with asyncio.timeout(PATIENCE):
                        problem = await draw(socket, query, choice.choice(PAGES))
                    seen.append((time.monotonic() - start, problem))
                    await asyncio.sleep(choice.uniform(0, 2 * think))
        except TimeoutError:
            seen.append((time.monotonic() - start, f"no answer in {PATIENCE} s"))
        except (ConnectionClosed, OSError):
            seen.append((time.monotonic() - start, "the connection was lost"))
            await asyncio.sleep(1)


async def reviewer(url: str, study: str, rows: int, number: int, told: set[str]) -> None:
    """Flag random images until the server is gone; told: names under which flags are recorded."""
    choice, page = random.Random(number), "one_image"
    with suppress(ConnectionClosed, OSError):
        async with connect(
            url.replace("http", "ws") + "/_stcore/stream", subprotocols=["streamlit"], max_size=None
        ) as socket:
            for round_number in itertools.count():
                name, ids = f"reviewer {number} {round_number}", dict[str, str]()
                query = f"study={study}&row={choice.randrange(rows)}"
                await draw(socket, query, page, ids=ids)
                await draw(socket, query, page, {ids["one_flag"]: True}, ids)
                entered = {ids["one_flag_name"]: name, ids["one_flag_go"]: True}
                entered |= {ids["one_flag_reason"]: "other", ids["one_flag_decision"]: ["keep"]}
                after = dict[str, str]()
                if (
                    not await draw(socket, query, page, entered, after)
                    and "one_flag_go" not in after
                ):
                    told.add(name)


async def flag_and_kill(
    url: str, process, study: str, rows: int, users: int, seconds: float
) -> set[str]:
    """What reviewers were told is recorded when the server is killed in the middle."""
    told = set[str]()
    tasks = [
        asyncio.create_task(reviewer(url, study, rows, number, told)) for number in range(users)
    ]
    await asyncio.sleep(seconds)
    process.kill()
    await asyncio.gather(*tasks)
    return told


def report_flags(cache: Path, users: int, seconds: float) -> None:
    study = open_study(sorted(cache.glob("*/study.json"))[0].parent)
    with serving(cache) as (url, process):
        told = asyncio.run(
            flag_and_kill(url, process, study.name, len(study.images), users, seconds)
        )
    log = ReviewLog(cache)
    kept = set(log.history(study)["reviewer"])
    print(
        f"{users} reviewers for {seconds:g} s, then SIGKILL: {len(told)} flags acknowledged, "
        f"{len(told - kept)} of them lost, {len(log.check())} problems of the log"
    )


async def beside(url: str, page: str, large: str, small: str) -> tuple[list, list, float]:
    """Seconds of a session's pages alone, and while another draws `page`; seconds of that page."""
    address = url.replace("http", "ws") + "/_stcore/stream"
    pages = ("overview", "one_image", "confidence", "review_list", "suspect_labels")
    alone, meanwhile = list[float](), list[float]()

    async def clicks(seen: list[float], count: int, until: asyncio.Future | None = None) -> None:
        async with connect(address, subprotocols=["streamlit"], max_size=None) as socket:
            for number in range(count):
                if until and until.done():
                    return
                start = time.monotonic()
                problem = await draw(socket, f"study={small}", pages[number % len(pages)])
                assert not problem, problem
                seen.append(time.monotonic() - start)
                await asyncio.sleep(0.1)

    async def heavy() -> float:
        async with connect(address, subprotocols=["streamlit"], max_size=None) as socket:
            start = time.monotonic()
            problem = await draw(socket, f"study={large}", page)
            assert not problem, problem
            return time.monotonic() - start

    await clicks([], 2 * len(pages))
    await clicks(alone, 4 * len(pages))
    drawing = asyncio.ensure_future(heavy())
    await clicks(meanwhile, 10_000, drawing)
    return alone, meanwhile, await drawing


def report_beside(cache: Path, page: str) -> None:
    studies = sorted(cache.glob("*/study.json"), key=lambda p: open_study(p.parent).meta["rows"])
    for path in studies:
        derived.forget(path.parent)
    small, large = studies[0].parent.name, studies[-1].parent.name
    with serving(cache) as (url, _):
        alone, meanwhile, seconds = asyncio.run(beside(url, page, large, small))
    print(f"{page} of {large}: {seconds:.1f} s; pages of {small}, median and longest seconds:")
    for name, times in (("alone", alone), ("meanwhile", meanwhile)):
        print(f"  {name}: {np.median(times):.2f}, {max(times):.2f} ({len(times)} pages)")


def memory_mb(pid: int) -> float:
    """Memory of a process that is not a file's."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


async def load(url: str, pid: int, studies: list[str], users: int, seconds: float, think: float):
    """(seconds, problem) of every page, and (time, MB) of the server."""
    seen: list[tuple[float, str]] = []
    memory: list[tuple[float, float]] = []
    end = time.monotonic() + seconds
    tasks = [
        asyncio.create_task(user(url, studies, number, think, end, seen)) for number in range(users)
    ]
    while time.monotonic() < end:
        memory.append((time.monotonic(), memory_mb(pid)))
        await asyncio.sleep(1)
    await asyncio.gather(*tasks)
    return seen, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--users", type=int, nargs="+", default=[1, 10, 30])
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--think", type=float, default=5, help="mean seconds between two pages")
    parser.add_argument("--flag", type=int, metavar="N", help="reviewers who flag until the kill")
    parser.add_argument("--beside", choices=PAGES, help="a heavy page, beside another session")
    args = parser.parse_args()
    if args.beside:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            report_beside(Path(shutil.copytree(args.cache, Path(folder) / "cache")), args.beside)
        return
    if args.flag:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            cache = Path(shutil.copytree(args.cache, Path(folder) / "cache"))
            report_flags(cache, args.flag, args.seconds)
        return
    print("| users | pages | median s | 95 % s | longest s | failed | MB | MB per minute |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        cache = Path(shutil.copytree(args.cache, Path(folder) / "cache"))
        studies = sorted(path.parent.name for path in cache.glob("*/study.json"))
        with serving(cache) as (url, process):
            for users in args.users:
                seen, memory = asyncio.run(
                    load(url, process.pid, studies, users, args.seconds, args.think)
                )
                times = np.array([seconds for seconds, _ in seen])
                late = np.array(memory[len(memory) // 3 :])
                slope = 60 * np.polyfit(late[:, 0] - late[0, 0], late[:, 1], 1)[0]
                median, high = np.quantile(times, [0.5, 0.95])
                failed = [problem for _, problem in seen if problem]
                print(
                    f"| {users} | {len(seen):,} | {median:.2f} | {high:.2f} | {times.max():.2f} | "
                    f"{len(failed)} | {late[-1, 1]:.0f} | {slope:.1f} |",
                    flush=True,
                )
                for problem in sorted(set(failed)):
                    print(f"  {failed.count(problem)} x {problem}")


if __name__ == "__main__":
    main()
