"""Worker processes: each imports TensorFlow once, then does one task after another.

A task that crashes or hangs costs its process, not ours. pebble, loky and concurrent.futures start
processes with multiprocessing, which fails under a Dask nanny, imports the user's main script
again, runs a `pickle.py` of the working directory, and leaves what a killed task started.
"""

import contextlib
import faulthandler
import functools
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from multiprocessing.connection import Connection, Pipe
from typing import Any

from mnistlab.errors import MnistlabError

SERVE = """
import sys
sys.path[:] = sys.argv[2:]
from mnistlab.execution.worker import serve
serve(int(sys.argv[1]))
"""
IDLE_SECONDS = 900.0
"""A worker without a task for so long ends, so that none keeps its memory on a cluster for ever."""
ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1",  # one worker a core; and results do not depend on the cores
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
KEPT_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**36)}
"""glibc keeps freed memory: to get arrays of 30 to 190 MB anew took a tenth of a trial's time."""


class WorkerSetupError(MnistlabError):
    """A worker cannot load the function: it lacks a module, the data or the right version."""


class WorkerDiedError(MnistlabError):
    """A worker process ended during a task: how and where it ended, and after how many seconds."""

    def __init__(self, how: str, seconds: float = 0.0) -> None:
        super().__init__(how)
        self.seconds = seconds


class RetireWorkerError(Exception):
    """Raised by a task to return its result, the argument, and have its process replaced."""


def as_user_error(error: Exception) -> MnistlabError:
    """Return the error of a task as one that people read in one line."""
    if isinstance(error, MnistlabError):
        return error
    if isinstance(error, CancelledError):
        return MnistlabError("the Dask scheduler was lost; start it again, then repeat the command")
    if type(error).__name__ == "KilledWorker":  # of Dask, which may not be installed
        return WorkerDiedError("crashed: every worker that tried it was lost")
    text = " ".join(str(error).split())
    if isinstance(error, ImportError):
        return MnistlabError(text)
    return MnistlabError(f"the task failed: {type(error).__name__}: {text}")


class WorkerProcess:
    """Runs tasks in a process, which is started when needed and replaced when it has died.

    `environment` is added to ours; by default it keeps the process to one thread.
    """

    def __init__(self, environment: Mapping[str, str] = ONE_THREAD) -> None:
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Any = None
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        self._busy = threading.Lock()
        self._ended = False

    def __call__(self, function: bytes, item: bytes, seconds: float | None = None) -> bytes:
        """Call a pickled function on a pickled item and return the result, pickled.

        The process unpickles a function only if it differs from the last one, so that a function
        can keep data. An empty item has the function loaded, not called. All errors are
        MnistlabErrors; WorkerDiedError if the process ended or was killed after so many seconds.
        """
        with self._busy:
            process = self._live_process()
            start, log_start = time.perf_counter(), self._stderr.seek(0, os.SEEK_END)
            try:
                self._connection.send((function, item))
                if not self._connection.poll(seconds):
                    # faulthandler writes where the process is, also in native code, and ends it.
                    process.send_signal(signal.SIGABRT)
                    raise TimeoutError
                failed, retire, answer = self._connection.recv()
            except (EOFError, OSError) as error:
                elapsed, how = round(time.perf_counter() - start, 2), f"crashed: {_ending(process)}"
                if isinstance(error, TimeoutError):
                    how = f"timed out after {seconds:g} s"
                raise WorkerDiedError(how + self._place(log_start), elapsed) from None
            if retire:
                _kill(process)
            if failed:
                raise pickle.loads(answer)
            return bytes(answer)

    def end(self) -> None:
        """Kill the process at once, with those that it started; refuse further tasks."""
        self._ended = True
        if self._process:
            _kill(self._process)
        with self._busy:
            self._stderr.close()
            if self._connection:
                self._connection.close()

    def _live_process(self) -> subprocess.Popen[bytes]:
        if self._ended:
            raise WorkerDiedError("ended")
        if self._process and self._process.poll() is None:
            return self._process
        self._connection, theirs = Pipe()
        # The standard library first: not to run a json.py of the working directory.
        path = [os.path.dirname(os.__file__), *sys.path]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVE, str(theirs.fileno()), *path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                pass_fds=[theirs.fileno()],
                env={**KEPT_MEMORY, **os.environ, **self._environment},
                start_new_session=True,  # Ctrl-C does not reach it, and its children die with it
            )
        if self._ended:  # meanwhile, by another thread
            _kill(self._process)
        return self._process

    def _place(self, log_start: int) -> str:
        """Return the innermost line of faulthandler's traceback, else the last line of stderr."""
        self._stderr.seek(log_start)
        text = self._stderr.read().decode(errors="replace")
        if innermost := re.search(r'File "([^"]*)", line (\d+) in (\S+)', text):
            file, line, function = innermost.groups()
            return f", in {function} ({os.path.basename(file)}, line {line})"
        return f": {text.strip().splitlines()[-1]}" if text.strip() else ""


_WORKERS: defaultdict[tuple[str, int], WorkerProcess] = defaultdict(WorkerProcess)
"""Worker processes by owner and thread; ended ones stay, so that no late task starts another."""


def run_task(owner: str, function: bytes, item: bytes, seconds: float | None) -> bytes:
    """Run a task in the process that this thread has for an owner; see `WorkerProcess`."""
    return _WORKERS[owner, threading.get_ident()](function, item, seconds)


def end_workers(owner: str) -> None:
    """End the processes of an owner."""
    for worker in [worker for key, worker in [*_WORKERS.items()] if key[0] == owner]:
        worker.end()


def _ending(process: subprocess.Popen[bytes]) -> str:
    """Wait for a process that is about to end, then kill it; return how it ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    _kill(process)
    code = process.returncode
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and those that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def serve(descriptor: int) -> None:
    """Run tasks in this process until its parent is gone or it has been idle for long."""
    os.set_inheritable(descriptor, False)
    faulthandler.enable(all_threads=False)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    connection = Connection(descriptor)
    # A forked child that outlives this process must not keep the connection open.
    os.register_at_fork(after_in_child=connection.close)
    with contextlib.suppress(EOFError, OSError):
        while connection.poll(IDLE_SECONDS):
            connection.send(_answer(*connection.recv()))
    os.killpg(0, signal.SIGKILL)


def _end_with_parent() -> None:
    """End this process and those that it started with its parent, also in the middle of a task."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.5)
    os.killpg(0, signal.SIGKILL)


def _answer(function: bytes, item: bytes) -> tuple[bool, bool, bytes]:
    """Run a task; return whether it failed, whether it retires the process, and its result."""
    try:
        call = _load(function)
        return False, False, pickle.dumps(call(pickle.loads(item)) if item else None)
    except RetireWorkerError as error:
        return False, True, pickle.dumps(error.args[0])
    except Exception as error:
        return True, False, pickle.dumps(as_user_error(error))


@functools.lru_cache(maxsize=1)
def _load(function: bytes) -> Callable[[Any], Any]:
    try:
        return pickle.loads(function)  # type: ignore[no-any-return]
    except Exception as error:
        raise WorkerSetupError(str(error) or type(error).__name__) from None
