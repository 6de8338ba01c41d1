"""Parts of a study that run beside one another: in processes of this machine, or on a Ray cluster.

A part is a function and small arguments. What it makes is in the study's working folder, which all
machines of a cluster see under the same path, as they see the images. A part is idempotent: Ray
gives a part of a lost machine to another one, and a second run of the command finds what is there.
"""

import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process, resource_tracker
from threading import Thread, current_thread, main_thread
from typing import Any

import torch

from bnn_core.base.errors import InputError, first_line
from bnn_core.base.machine import free_memory, processors

INSTALL = 'pip install ".[cluster]" in the folder of this program'
#: So often a part is given to another machine when the one that ran it is lost.
RETRIES = 5
#: What a training takes besides its images: Python, PyTorch, activations of a batch.
_PART_BYTES = 3 << 29
_START = "start a cluster with 'ray start --head' and give the address that it prints"
_ANSWER_SECONDS = 10.0
_ADDRESS = re.compile(r"|auto|local|(ray://)?(\[[\da-fA-F:]+\]|[\w.-]+):\d+")


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster and what each part takes of it.

    address: HOST:PORT of its head; "": that of $RAY_ADDRESS, else the cluster that runs on this
    machine, else a new one of this machine alone. gpus: graphics cards per part, such as 0.5; 0:
    parts run on processors. Raises InputError for another address or number.
    """

    address: str = ""
    gpus: float = 0.0

    def __post_init__(self):
        if not _ADDRESS.fullmatch(self.address):
            raise InputError(
                f"--ray {self.address} is no address HOST:PORT; without an address, give --ray as the last "
                "word of the command"
            )
        if not (0 <= self.gpus <= 1 or (self.gpus > 1 and float(self.gpus).is_integer())):
            raise InputError(
                f"--ray-gpus {self.gpus:g} is neither a part of a graphics card such as 0.5 nor a whole "
                "number of them"
            )

    @property
    def device(self) -> str:
        """The torch device of a part; Ray shows a part only the cards that it may use."""
        return "cuda" if self.gpus else "cpu"


#: Starts a function with its arguments as one part.
Submit = Callable[..., "Future[InputError | None]"]


@contextmanager
def workers(jobs: int, cluster: Cluster | None, *shared: object) -> Iterator[Submit]:
    """Yield `submit(function, *arguments)`, which starts `function(*shared, *arguments)` as a part;
    its future gives None, or the InputError that the function raised.

    jobs: parts at a time on this machine, where there is no cluster. shared: goes to each machine
    of a cluster once. When the block ends with an error, parts that have not started are dropped and
    those that run are interrupted.
    Raises InputError without Ray, without the cluster, and for a part that was lost too often.
    """
    threads = torch.get_num_threads()
    if cluster is not None:
        with _ray_workers(cluster, threads, shared) as submit_part:
            yield submit_part
        return
    before = set(active_children())
    _start_resource_tracker()
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_prepare_worker)

    def submit(function: Callable[..., None], *arguments: object) -> Future:
        with _interrupt_later():  # it may start a process
            return pool.submit(_part, threads, function, arguments, *shared)

    try:
        yield submit
    except BrokenProcessPool as error:
        raise InputError(
            "the system stopped a part, probably because memory ran out; run the same command again "
            "with fewer --jobs to continue"
        ) from error
    except BaseException:  # an interrupt, or a part's error, does not wait for the other parts
        for process in set(active_children()) - before:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _start_resource_tracker() -> None:
    """Start the process that removes the semaphores of a killed pool, so that it does not warn of them."""
    if os.name != "posix":
        return
    sys.warnoptions.append("ignore")
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions.pop()


@contextmanager
def _interrupt_later() -> Iterator[None]:
    """Ctrl-C comes after the block. Processes that are started in it never get one: the terminal sends
    it to all, and a process that is still importing would print a traceback."""
    if os.name != "posix" or current_thread() is not main_thread():
        yield
        return
    came = []
    handler = signal.signal(signal.SIGINT, lambda *_: came.append(True))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)


def parts_at_once(parts: int, image_bytes: int) -> int:
    """How many of `parts` trainings run at a time on the processors of this machine: as many as there
    are processors for their threads, and free memory. image_bytes: of the images of one."""
    room = free_memory() // (_PART_BYTES + image_bytes)
    return max(min(parts, processors() // torch.get_num_threads(), room), 1)


def run_once(cluster: Cluster | None, function: Callable[..., None], *arguments: object) -> None:
    """Run one function here, or as one part on a cluster. Raises its InputError."""
    if cluster is None:
        function(*arguments)
        return
    with workers(1, cluster) as submit:
        if problem := submit(function, *arguments).result():
            raise problem


@contextmanager
def _ray_workers(cluster: Cluster, threads: int, shared: tuple) -> Iterator[Submit]:
    ray = demand_cluster(cluster)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    started_here = not ray.is_initialized()
    if started_here:
        try:
            ray.init(address=cluster.address or None, log_to_driver=False, logging_level="ERROR")
        except Exception as error:  # of many types
            raise InputError(
                f"--ray {cluster.address}: no Ray cluster answers ({first_line(error)}); {_START}"
            ) from error
    parts: list[Any] = []
    try:
        part = ray.remote(_part).options(
            num_cpus=threads, num_gpus=cluster.gpus, max_retries=RETRIES
        )
        _demand_room(ray, cluster, threads)
        kept = [ray.put(value) for value in shared]

        def submit(function: Callable[..., None], *arguments: object) -> Future:
            parts.append(part.remote(threads, function, arguments, *kept))
            return parts[-1].future()

        yield submit
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise InputError(
            f"a part on the Ray cluster was lost ({first_line(error)}); run the same command again "
            "to continue"
        ) from error
    finally:
        for one in parts:  # nothing happens to those that have ended
            with suppress(Exception):  # the cluster may be lost
                ray.cancel(one)
        if started_here:
            ray.shutdown()


def demand_cluster(cluster: Cluster) -> Any:
    """The module `ray`. Raises InputError where it is not installed, and where nobody listens at the
    address; Ray would try for two minutes."""
    try:
        import ray
    except ImportError as error:
        raise InputError(f"--ray needs Ray on every machine: {INSTALL}") from error
    host, _, port = cluster.address.removeprefix("ray://").rpartition(":")
    if host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise InputError(
                f"--ray {cluster.address}: nobody answers ({first_line(error)}); {_START}"
            ) from error
    return ray


def _demand_room(ray: Any, cluster: Cluster, threads: int) -> None:
    """InputError where no machine of the cluster, as it is now, can run a part: Ray would wait."""
    if not any(
        node["Alive"]
        and node["Resources"].get("CPU", 0) >= threads
        and node["Resources"].get("GPU", 0) >= cluster.gpus
        for node in ray.nodes()
    ):
        raise InputError(
            f"no machine of the Ray cluster has {threads} processors and {cluster.gpus:g} graphics "
            "cards for a part; change --threads or --ray-gpus"
        )


def _prepare_worker() -> None:
    """In a worker: `workers` decides when it ends, in an orderly way; it does not outlive that process,
    whose end the pool does not notice."""

    def watch() -> None:
        parent_process().join()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    Thread(target=watch, daemon=True).start()


def _part(
    threads: int, function: Callable[..., None], arguments: tuple, *shared: object
) -> InputError | None:
    """In the worker: run a part."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)
    try:
        function(*shared, *arguments)
    except InputError as error:
        return error
    return None
