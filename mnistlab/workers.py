"""Where work runs: in processes here, one a core, or on a Dask cluster; the same work, the same results."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from mnistlab.errors import MnistlabError
from mnistlab.lane import Lane

POLL_SECONDS = 2


@dataclass(frozen=True)
class Place:
    """Where work is to run.

    Attributes
    ----------
    scheduler : str, optional
        Address of a Dask scheduler; without one, work runs on this machine.
    processes : int
        How many here; 0 is one a core.
    seconds : float, optional
        After so long a piece of work is given up.
    """

    scheduler: str | None = None
    processes: int = 0
    seconds: float | None = None


@dataclass(frozen=True)
class Pool:
    """Takes work; see `opened`."""

    submit: Callable[[bytes, bytes], Future[bytes]]
    check: Callable[[bytes], None]
    alive: Callable[[], None]

    def completed(
        self, function: Callable[[Any], Any], items: Iterable[Any]
    ) -> Iterator[tuple[Any, Callable[[], Any]]]:
        """Run a function on items; yield each when it is done.

        Parameters
        ----------
        function : callable
            Importable, or it pickles itself otherwise; as all of it travels, small.
        items : iterable
            Started in this order.

        Yields
        ------
        item, result : object, callable
            What `result()` returns or raises is what the function returned or raised; or DiedError.

        Raises
        ------
        MnistlabError
            If a worker of a cluster cannot do it, or the cluster is lost.
        """
        content = pickle.dumps(function)
        self.check(content)
        pending = {self.submit(content, pickle.dumps(item)): item for item in items}
        while pending:
            done, _ = wait(pending, POLL_SECONDS, FIRST_COMPLETED)
            if not done:
                self.alive()
            for future in done:
                yield pending.pop(future), functools.partial(_result, future)

    def in_order(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        """Run a function on items and yield the results in their order; raise what any of them raised."""
        results: dict[int, Any] = {}
        number = 0
        for (place, _), result in self.completed(functools.partial(_numbered, function), list(enumerate(items))):
            results[place] = result()
            while number in results:
                yield results.pop(number)
                number += 1


def _numbered(function: Callable[[Any], Any], pair: tuple[int, Any]) -> Any:
    return function(pair[1])


def _result(future: Future[bytes]) -> Any:
    try:
        return pickle.loads(future.result())
    except CancelledError:
        raise MnistlabError("the Dask scheduler was lost; start it again, and the same command goes on") from None


@contextlib.contextmanager
def opened(place: Place) -> Iterator[Pool]:
    """Give a pool of processes; afterwards none of them is left, whatever they were at.

    Raises
    ------
    MnistlabError
        If there is no cluster, or none that can be used.
    """
    if not place.scheduler:
        with _here(place) as pool:
            yield pool
        return
    from mnistlab.cluster import connected

    with connected(place.scheduler, place.seconds) as parts:
        yield Pool(*parts)


def available_cores() -> int:
    """Return how many cores this process may use: one, if TensorFlow was told to keep to one thread, as in a lane."""
    if os.environ.get("TF_NUM_INTRAOP_THREADS") == "1":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _here(place: Place) -> Iterator[Pool]:
    """Spread work over processes of this machine; a thread stands by each."""
    size = place.processes or available_cores()
    lanes = [Lane() for _ in range(size)]
    idle: queue.SimpleQueue[Lane] = queue.SimpleQueue()
    for lane in lanes:
        idle.put(lane)

    def work(function: bytes, item: bytes) -> bytes:
        lane = idle.get()
        try:
            return lane(function, item, place.seconds)
        finally:
            idle.put(lane)

    threads = ThreadPoolExecutor(size)
    try:
        yield Pool(lambda function, item: threads.submit(work, function, item), lambda function: None, lambda: None)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for lane in lanes:
            lane.end()
        threads.shutdown()
