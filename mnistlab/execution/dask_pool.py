"""Run tasks on a Dask cluster and name the worker that cannot."""

import asyncio
import concurrent.futures
import contextlib
import importlib
import logging
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from mnistlab import environment
from mnistlab.errors import MnistlabError
from mnistlab.execution.worker import WorkerSetupError, as_user_error, run_task

CONNECT_SECONDS = 10
CHECK_SECONDS = 120
"""For a worker to start a process and to read the data there."""
LONELY_SECONDS = 60
"""Work is given up when a cluster has had no worker, or no scheduler that answers, for so long."""


class Cluster:
    """The workers of a Dask cluster, of which there must be one; its methods make up a `Pool`."""

    def __init__(self, address: str, seconds: float | None) -> None:
        self._client, self._owner, self._seconds = _connect(address), uuid.uuid4().hex, seconds
        self._executor = self._client.get_executor(pure=False)
        self._last_seen = time.monotonic()
        if not self._client.nthreads():
            self.close()
            what = "the scheduler has no worker; start some: dask worker"
            raise MnistlabError(f"{address}: {what} {address}")

    def submit(self, function: bytes, item: bytes) -> Future[bytes]:
        """Send a task to any worker; see `in_worker`."""
        return self._send(self._executor, function, item, self._seconds)

    def check(self, function: bytes) -> None:
        """Have every worker load the function; raise MnistlabError that names one that cannot."""
        futures = {}
        for address in self._client.nthreads():
            only = {"workers": [address], "allow_other_workers": False, "pure": False}
            executor = self._client.get_executor(**only)
            futures[address] = self._send(executor, function, b"", CHECK_SECONDS)
        for address, future in futures.items():
            try:
                future.result(CHECK_SECONDS)
                continue
            except (TimeoutError, concurrent.futures.TimeoutError):  # not one before Python 3.11
                message = f"no answer after {CHECK_SECONDS} s; stop it, then try again"
            except Exception as error:
                message = str(as_user_error(error)).removeprefix(f"worker {address}: ")
            raise MnistlabError(f"worker {address}: {message}")

    def check_alive(self) -> None:
        """Raise MnistlabError if the cluster has been without a worker for long."""
        with contextlib.suppress(Exception):  # a scheduler that does not answer is as good as none
            if self._client.nthreads():
                self._last_seen = time.monotonic()
        if time.monotonic() - self._last_seen > LONELY_SECONDS:
            what = "the cluster has no worker any more; start some, then repeat the command"
            raise MnistlabError(what)

    def close(self) -> None:
        """End the processes on the workers, and the connection."""
        with contextlib.suppress(Exception):  # of a lost cluster: it must not hide the first error
            if self._client.status == "running":  # else it would look for the scheduler again
                name = "mnistlab.execution.worker:end_workers"
                self._client.run(_call, name, self._owner, on_error="ignore")
        self._client.close(timeout=5)

    def _send(
        self, executor: Any, function: bytes, item: bytes, seconds: float | None
    ) -> Future[bytes]:
        task = environment.versions(), self._owner, function, item, seconds
        return executor.submit(_call, f"{__name__}:in_worker", *task)  # type: ignore[no-any-return]


def _connect(address: str) -> Any:
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        what = '--scheduler needs Dask; type: pip install "mnistlab[cluster]"'
        raise MnistlabError(what) from None
    # A lost cluster is reported once, by us.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)

    async def shake_hands() -> None:
        connecting = distributed.comm.connect(address, timeout=CONNECT_SECONDS)
        await (await asyncio.wait_for(connecting, CONNECT_SECONDS)).close()

    try:
        # First, as Dask's client waits for ever on a port that accepts and says nothing. In a
        # thread, as a notebook runs an event loop in this one.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, shake_hands()).result()
        return distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError, KeyError, asyncio.TimeoutError) as error:
        reason = (str(error) or f"no answer after {CONNECT_SECONDS} s").splitlines()[0]
        required = "required the address of a Dask scheduler, such as tcp://HOST:8786"
        raise MnistlabError(f"--scheduler {address}: {reason}; {required}") from None


def _call(name: str, *arguments: Any) -> Any:
    """Call a function that is looked up on the worker."""
    import pkgutil

    try:
        function = pkgutil.resolve_name(name)
    except (ImportError, AttributeError) as error:
        from distributed import get_worker

        what = f"has no mnistlab ({error}); install it there, or stop it"
        raise ImportError(f"worker {get_worker().address}: {what}") from None
    return function(*arguments)


# Dask then sends its code: the scheduler, which unpickles it, may lack mnistlab.
_call.__module__ = "__main__"


def in_worker(versions: dict[str, str], *task: Any) -> bytes:
    """Run a task in a process of a cluster's worker, if its versions are as required."""
    from distributed import get_worker

    address, own = get_worker().address, environment.versions()
    for name, required in versions.items():
        if own.get(name) != required:
            what = f"{name} {own.get(name)}, required {required} as here; install it there"
            raise MnistlabError(f"worker {address}: {what}")
    try:
        return run_task(*task)
    except WorkerSetupError as error:
        raise MnistlabError(f"worker {address}: {error}") from None
