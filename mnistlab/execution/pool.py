"""Where work runs: in processes here, one a core, or on a Dask cluster; the same work, the same results."""

import contextlib
import functools
import os
import pickle
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from mnistlab.errors import MnistlabError
from mnistlab.execution.worker import WorkerProcess, as_user_error

POLL_SECONDS = 2


@dataclass(frozen=True)
class Backend:
    """Where work is to run; MnistlabError if it cannot be meant."""

    scheduler: str | None = (
        None  # address of a Dask scheduler; without one, work runs on this machine
    )
    processes: int = 0  # how many here; 0 is one a core
    seconds: float | None = None  # after so long a piece of work is given up

    def __post_init__(self) -> None:
        """Refuse less than nothing."""
        if self.processes < 0:
            raise MnistlabError(
                f"--processes {self.processes}: required 1 or more; 0 is one a core"
            )
        if self.seconds is not None and not 0 < self.seconds <= threading.TIMEOUT_MAX:
            raise MnistlabError(f"--timeout {self.seconds:g}: required a number of seconds above 0")


@dataclass(frozen=True)
class Pool:
    """Takes work; see `open_pool`. A function is importable, or pickles itself otherwise, and small, as it travels.

    All errors are MnistlabErrors: of the work, of a worker that cannot do it, WorkerDiedError, and that the cluster is lost.
    """

    submit: Callable[[bytes, bytes], Future[bytes]]
    check: Callable[[bytes], None]
    alive: Callable[[], None]

    def completed(
        self, function: Callable[[Any], Any], items: Iterable[Any]
    ) -> Iterator[tuple[Any, Callable[[], Any]]]:
        """Run a function on items, begun in this order; yield each when done, with what gives its result or raises."""
        pending = dict(self._submitted(function, items))
        while pending:
            for future in self._awaited(pending):
                yield pending.pop(future), functools.partial(_result, future)

    def in_order(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Run a function on items and yield the results in their order; raise what any of them raised."""
        for future, _ in list(self._submitted(function, items)):
            while not self._awaited([future]):
                pass
            yield _result(future)

    def _submitted(
        self, function: Callable[[Any], Any], items: Iterable[Any]
    ) -> Iterator[tuple[Future[bytes], Any]]:
        content = pickle.dumps(function)
        self.check(content)
        for item in items:
            yield self.submit(content, pickle.dumps(item)), item

    def _awaited(self, futures: Iterable[Future[bytes]]) -> set[Future[bytes]]:
        """Wait a little; return what is done, or raise if the cluster is lost."""
        done, _ = wait(futures, POLL_SECONDS, FIRST_COMPLETED)
        if not done:
            self.alive()
        return done


def _result(future: Future[bytes]) -> Any:
    try:
        return pickle.loads(future.result())
    except Exception as error:
        raise as_user_error(error) from error


@contextlib.contextmanager
def open_pool(place: Backend) -> Iterator[Pool]:
    """Give a pool of processes, none of which is left afterwards; MnistlabError if there is no such cluster."""
    if not place.scheduler:
        with _here(place) as pool:
            yield pool
        return
    from mnistlab.execution.dask_pool import connected

    with connected(place.scheduler, place.seconds) as parts:
        yield Pool(*parts)


def available_cores() -> int:
    """Return how many cores this process may use: one, if TensorFlow was told to keep to one thread, as in a worker."""
    if os.environ.get("TF_NUM_INTRAOP_THREADS") == "1":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _here(place: Backend) -> Iterator[Pool]:
    """Spread work over processes of this machine; a thread stands by each."""
    size = place.processes or available_cores()
    workers = [WorkerProcess() for _ in range(size)]
    idle: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def work(function: bytes, item: bytes) -> bytes:
        worker = idle.get()
        try:
            return worker(function, item, place.seconds)
        finally:
            idle.put(worker)

    threads = ThreadPoolExecutor(size)
    try:
        yield Pool(
            lambda function, item: threads.submit(work, function, item),
            lambda function: None,
            lambda: None,
        )
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.end()
        threads.shutdown()
