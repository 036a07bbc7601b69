"""Where tasks run: in processes on this machine, one a core, or on a Dask cluster."""

import contextlib
import functools
import os
import pickle
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from mnistlab.errors import MnistlabError
from mnistlab.execution.worker import as_user_error, end_workers, run_task

POLL_SECONDS = 2


@dataclass(frozen=True)
class Backend:
    """Where tasks run, and how long each may take."""

    scheduler: str | None = None  # address of a Dask scheduler; by default tasks run here
    processes: int = 0  # on this machine; 0 is one a core
    seconds: float | None = None  # a task that takes longer is given up

    def __post_init__(self) -> None:
        """Raise MnistlabError if a number is out of range."""
        if self.processes < 0:
            required = "required 1 or more; 0 is one a core"
            raise MnistlabError(f"--processes {self.processes}: {required}")
        if self.seconds is not None and not 0 < self.seconds < 1e6:  # as much as poll() takes
            required = "required a number of seconds above 0, below 1 000 000"
            raise MnistlabError(f"--timeout {self.seconds:g}: {required}")


@dataclass(frozen=True)
class Pool:
    """Runs an importable function on small items in other processes; `open_pool` makes one.

    The function and the items are pickled. All errors are MnistlabErrors.
    """

    submit: Callable[[bytes, bytes], Future[bytes]]
    check: Callable[[bytes], None] = lambda function: None  # raises if a worker cannot load it
    check_alive: Callable[[], None] = lambda: None  # raises if there is no worker any more

    def completed(
        self, function: Callable[[Any], Any], items: Iterable[Any]
    ) -> Iterator[tuple[Any, Callable[[], Any]]]:
        """Yield each item when it is done, with a function that returns its result or raises."""
        pending = self._submit_all(function, items)
        while pending:
            for future in self._wait(pending):
                yield pending.pop(future), functools.partial(_result, future)

    def in_order(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Yield the results in the order of the items; raise the first error."""
        for future in self._submit_all(function, items):
            while not self._wait([future]):
                pass
            yield _result(future)

    def _submit_all(
        self, function: Callable[[Any], Any], items: Iterable[Any]
    ) -> dict[Future[bytes], Any]:
        content = pickle.dumps(function)
        self.check(content)
        return {self.submit(content, pickle.dumps(item)): item for item in items}

    def _wait(self, futures: Iterable[Future[bytes]]) -> set[Future[bytes]]:
        """Wait up to POLL_SECONDS; return the futures that are done."""
        done, _ = wait(futures, POLL_SECONDS, FIRST_COMPLETED)
        if not done:
            self.check_alive()
        return done


def _result(future: Future[bytes]) -> Any:
    try:
        return pickle.loads(future.result())
    except Exception as error:
        raise as_user_error(error) from error


@contextlib.contextmanager
def open_pool(backend: Backend) -> Iterator[Pool]:
    """Give a pool; its processes end with the context. MnistlabError without such a cluster."""
    if backend.scheduler:
        from mnistlab.execution.dask_pool import Cluster

        with contextlib.closing(Cluster(backend.scheduler, backend.seconds)) as cluster:
            yield Pool(cluster.submit, cluster.check, cluster.check_alive)
        return
    owner = uuid.uuid4().hex
    threads = ThreadPoolExecutor(backend.processes or available_cores())
    try:
        seconds = backend.seconds
        yield Pool(lambda *task: threads.submit(run_task, owner, task[0], task[1], seconds))
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        end_workers(owner)
        threads.shutdown()


def available_cores() -> int:
    """Return the number of cores that this process may use; one in a worker, and on Windows."""
    if os.environ.get("TF_NUM_INTRAOP_THREADS") == "1" or os.name == "nt":  # it starts no worker
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
