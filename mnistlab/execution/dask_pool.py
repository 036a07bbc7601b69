"""Work on a Dask cluster: what is sent, what is checked, and what may be wrong with its workers."""

import concurrent.futures
import contextlib
import functools
import importlib
import logging
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeAlias

from mnistlab import environment
from mnistlab.errors import MnistlabError
from mnistlab.execution.worker import WorkerProcess, WorkerSetupError, as_user_error

Submit: TypeAlias = Callable[[bytes, bytes], Future[bytes]]

CONNECT_SECONDS = 10
CHECK_SECONDS = 120
"""For a worker to start a process, and to read the data there."""
LONELY_SECONDS = 60
"""How long a cluster may be without any worker, or its scheduler silent, before work is given up."""


@contextlib.contextmanager
def connected(
    address: str, seconds: float | None
) -> Iterator[tuple[Submit, Callable[[bytes], None], Callable[[], None]]]:
    """Give what a pool is made of, on the workers of a cluster; each of their threads has a process of its own.

    Yields what takes a function and an item, both pickled; what has every worker load a function; and what raises if
    the cluster is lost. MnistlabError without Dask, without a scheduler at that address, and if it has no worker.
    """
    client = _connect(address)
    token = uuid.uuid4().hex
    try:
        if not client.nthreads():
            raise MnistlabError(
                f"{address}: the scheduler has no worker; start some: dask worker {address}"
            )
        executor = client.get_executor(pure=False)
        function = functools.partial(_submit, executor, token, seconds)
        yield function, functools.partial(_check, client, token), _Watch(client)
    finally:
        with contextlib.suppress(
            Exception
        ):  # whatever became of the cluster, it must not hide what went wrong
            if client.status == "running":  # else it would try to find a lost scheduler again
                client.run(_call, f"{__name__}:release", token, on_error="ignore")
        client.close(timeout=5)


def _connect(address: str) -> Any:
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise MnistlabError(
            '--scheduler needs Dask; type: pip install "mnistlab[cluster]"'
        ) from None
    logging.getLogger("distributed.client").setLevel(
        logging.CRITICAL
    )  # a lost cluster is told in a line, not in many
    try:
        distributed.comm.get_address_host(
            address
        )  # of a wrong one a client would be left half made
        return distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MnistlabError(
            f"--scheduler {address}: {reason}; required the address of a Dask scheduler, such as tcp://HOST:8786"
        ) from None


def _submit(
    executor: Any, token: str, seconds: float | None, function: bytes, item: bytes
) -> Future[bytes]:
    work = token, (function, item), environment.versions(), seconds
    future: Future[bytes] = executor.submit(_call, f"{__name__}:in_worker", *work)
    return future


def _call(name: str, *arguments: Any) -> Any:
    """Call a function that is found where this runs."""
    import pkgutil

    try:
        function = pkgutil.resolve_name(name)
    except (ImportError, AttributeError) as error:
        from distributed import get_worker

        address = get_worker().address
        raise ImportError(
            f"worker {address}: has no mnistlab ({error}); install it there, or stop it"
        ) from None
    return function(*arguments)


_call.__module__ = (
    "__main__"  # so that Dask sends its code: the scheduler, which unpickles it, may lack mnistlab
)


def _check(client: Any, token: str, function: bytes) -> None:
    """Have every worker load the function, with what it needs; name the worker that cannot."""
    found = {}
    for address in client.nthreads():
        executor = client.get_executor(workers=[address], allow_other_workers=False, pure=False)
        found[address] = _submit(executor, token, CHECK_SECONDS, function, b"")
    for address, future in found.items():
        try:
            future.result(CHECK_SECONDS)
        except (TimeoutError, concurrent.futures.TimeoutError):  # not one class before Python 3.11
            what = f"worker {address}: no answer after {CHECK_SECONDS} s; stop it, and try again"
            raise MnistlabError(what) from None
        except Exception as error:
            said = str(as_user_error(error))
            raise MnistlabError(
                said if said.startswith("worker ") else f"worker {address}: {said}"
            ) from None


class _Watch:
    """Raises when a cluster has been without workers, or without an answer, for long."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._well = time.monotonic()

    def __call__(self) -> None:
        """Look once."""
        try:
            workers = self._client.nthreads()
        except Exception:
            workers = {}
        if workers:
            self._well = time.monotonic()
        elif time.monotonic() - self._well > LONELY_SECONDS:
            raise MnistlabError(
                "the cluster has no worker any more; start some, and the same command goes on"
            )


WORKERS: defaultdict[tuple[str, int], WorkerProcess] = defaultdict(WorkerProcess)
"""The workers of this worker, by campaign and thread; ended ones stay, so that no work that comes late starts another."""


def in_worker(
    token: str, work: tuple[bytes, bytes], versions: dict[str, str], seconds: float | None
) -> bytes:
    """Do work that came over the network: what a worker of a cluster runs, in a thread."""
    from distributed import get_worker

    address = get_worker().address
    own = environment.versions()
    for name, required in versions.items():
        if own.get(name) != required:
            raise MnistlabError(
                f"worker {address}: {name} {own.get(name)}, required {required} as here; install it there"
            )
    try:
        return WORKERS[token, threading.get_ident()](*work, seconds)
    except WorkerSetupError as error:
        raise MnistlabError(f"worker {address}: {error}") from None


def release(token: str) -> None:
    """End the workers of a campaign on this worker."""
    for owner, thread in list(WORKERS):
        if owner == token:
            WORKERS[owner, thread].end()
