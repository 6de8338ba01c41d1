"""How does one server hold up under several users? Real sessions, by Streamlit's own protocol.

PYTHONPATH=.:tests/helpers python tests/benchmarks/load.py CACHE --users 1 10 30 --seconds 180

CACHE: a folder of studies; copied first. Every user is a WebSocket of its own, opens a random page of a
random study, waits until it is drawn, thinks for up to --think seconds, and goes on. Prints for each
number of users: pages drawn, their median, 95 % and longest seconds, failures, the server's memory at
the end, and how fast that grew after the first third.
"""

import argparse
import asyncio
import random
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from browsing import serving
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

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
PATIENCE = 120


async def draw(socket: ClientConnection, study: str, page: str) -> str:
    """Ask for a page and read until it is drawn; what failed, or ""."""
    message = BackMsg()
    message.rerun_script.query_string = f"study={study}"
    message.rerun_script.page_name = page
    await socket.send(message.SerializeToString())
    problem = ""
    while True:
        answer = ForwardMsg.FromString(await socket.recv())
        if answer.WhichOneof("type") == "delta":
            element = answer.delta.new_element
            if element.WhichOneof("type") == "exception":
                problem = f"{page}: {element.exception.message[:80]}"
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
    async with connect(address, subprotocols=["streamlit"], max_size=None) as socket:
        while time.monotonic() < end:
            start = time.monotonic()
            try:
                async with asyncio.timeout(PATIENCE):
                    problem = await draw(socket, choice.choice(studies), choice.choice(PAGES))
            except TimeoutError:
                problem = f"no answer in {PATIENCE} s"
            seen.append((time.monotonic() - start, problem))
            await asyncio.sleep(choice.uniform(0, 2 * think))


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
    args = parser.parse_args()
    print("| users | pages | median s | 95 % s | longest s | failed | MB | MB per minute |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
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
