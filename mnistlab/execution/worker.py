"""A process that imports TensorFlow once and works off one piece of work after another; it may die, its parent not."""

import contextlib
import json
import os
import pickle
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import CancelledError
from typing import Any

from mnistlab.errors import MnistlabError

SERVE = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from mnistlab.execution.worker import serve; serve()"
IDLE_SECONDS = 900.0
"""After so long without work a worker ends itself, lest one that was forgotten on a cluster keep its memory."""
ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1",  # as many workers as cores; and results that do not depend on the number of cores
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
KEPT_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**36)}
"""For glibc: keep what is freed. Arrays of 30 to 190 MB come and go by the hundred, and to get each from the kernel
anew took a tenth of a trial."""
UNFIT, ERROR, RESULT, LAST = "unfit", "error", "result", "last"


class WorkerSetupError(MnistlabError):
    """What is wrong with the place where work was sent to: another version, no data, a pipeline that it lacks."""


class WorkerDiedError(MnistlabError):
    """How a process ended in the middle of its work: crashed or timed out, and where; after how many seconds."""

    def __init__(self, how: str, seconds: float = 0.0) -> None:
        super().__init__(how, seconds)  # both, so that it travels between processes
        self.seconds = seconds

    def __str__(self) -> str:
        """Return how."""
        return str(self.args[0])


class RetireWorkerError(Exception):
    """What a function raises in place of returning its result, if the process must not be used again."""

    def __init__(self, result: object) -> None:
        super().__init__(result)
        self.result = result


def as_user_error(error: Exception) -> MnistlabError:
    """Return what came of work that has no result, for people in one line."""
    if isinstance(error, MnistlabError):
        return error
    if isinstance(error, CancelledError):
        return MnistlabError(
            "the Dask scheduler was lost; start it again, and the same command goes on"
        )
    if type(error).__name__ == "KilledWorker":  # of Dask, which may not be installed
        return WorkerDiedError("crashed: every worker that tried it was lost")
    text = " ".join(str(error).split())
    return MnistlabError(
        text
        if isinstance(error, ImportError)
        else f"the work failed: {type(error).__name__}: {text}"
    )


class WorkerProcess:
    """A process that is handed work, is started when there is some, and replaced when it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: Any = tempfile.TemporaryFile()  # noqa: SIM115
        self._busy = threading.Lock()
        self._ended = False

    def __call__(self, function: bytes, item: bytes, seconds: float | None = None) -> bytes:
        """Have a piece of work done, a pickled function and a pickled item; return the result, pickled.

        The process unpickles a function when it differs from the last one, so it may keep things. After so many
        seconds it is killed, whatever it does. Raises what the function raises; WorkerDiedError if the process ended, by
        itself or for having taken too long; WorkerSetupError if the function cannot be had there.
        """
        with self._busy:
            return self._do(function, item, seconds)

    def _do(self, function: bytes, item: bytes, seconds: float | None) -> bytes:
        if self._ended:
            raise WorkerDiedError("ended")
        process = self._process if self._process and self._process.poll() is None else self._start()
        late, start = threading.Event(), time.perf_counter()
        begin = os.fstat(self._errors.fileno()).st_size
        timer = threading.Timer(seconds or threading.TIMEOUT_MAX, self._abort, (process, late))
        timer.daemon = True
        timer.start()
        try:
            _send(process.stdin, (function, item))
            kind, answer = pickle.load(process.stdout)  # type: ignore[arg-type]
        except (EOFError, OSError, pickle.UnpicklingError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)  # it closes its pipes a moment before it ends
            self._kill(process)
            code = process.wait()
            how = (
                f"killed by {signal.Signals(-code).name}"
                if code < 0
                else f"its process ended with code {code}"
            )
            how = (
                f"timed out after {seconds:g} s" if late.is_set() and seconds else f"crashed: {how}"
            )
            raise WorkerDiedError(
                f"{how}{self._place(begin)}", round(time.perf_counter() - start, 2)
            ) from None
        finally:
            timer.cancel()
        if kind == LAST:
            self._kill(process)
        if kind in (RESULT, LAST):
            return bytes(answer)
        raise pickle.loads(answer)

    def end(self) -> None:
        """Kill the process at once, with all that it started, and start no other."""
        self._ended = True
        if self._process:
            self._kill(self._process)
        with self._busy:
            self._close()
            self._errors.close()

    def _start(self) -> subprocess.Popen[bytes]:
        self._close()
        command = [sys.executable, "-c", SERVE, json.dumps(sys.path)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._errors}
        # A session of its own: Ctrl-C does not reach it, and it can be killed together with its own processes.
        environment = {**KEPT_MEMORY, **os.environ, **ONE_THREAD}
        self._process = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)
        if self._ended:  # meanwhile, by another thread
            self._kill(self._process)
        return self._process

    def _abort(self, process: subprocess.Popen[bytes], late: threading.Event) -> None:
        """Have faulthandler say where the process is, which ends it, even in native code; then make sure."""
        late.set()
        process.send_signal(signal.SIGABRT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        self._kill(process)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            _kill_group(process.pid)
        process.kill()
        process.wait()

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout) if self._process else ():
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]

    def _place(self, begin: int) -> str:
        """Return the innermost line of a traceback that faulthandler wrote, else the last line of all."""
        self._errors.seek(begin)
        text = self._errors.read().decode(errors="replace")
        found = re.search(r'File "([^"]*)", line (\d+) in (\S+)', text)
        if found:
            return f", in {found[3]} ({os.path.basename(found[1])}, line {found[2]})"
        lines = text.strip().splitlines()
        return f": {lines[-1]}" if lines else ""


def _kill_group(pid: int) -> None:
    if hasattr(os, "killpg"):
        os.killpg(pid, signal.SIGKILL)


def serve() -> None:
    """Be a worker's process: work until the parent is gone or nothing comes for long."""
    import faulthandler

    requests, replies = (os.fdopen(os.dup(number), mode) for number, mode in ((0, "rb"), (1, "wb")))
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    faulthandler.enable(all_threads=False)
    inbox: queue.SimpleQueue[tuple[bytes, bytes]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, inbox), daemon=True).start()
    sent: bytes = b""
    function: Any = None
    while True:
        try:
            wanted, item = inbox.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            _vanish()
        if wanted != sent:
            sent, function = b"", None
            try:
                function = pickle.loads(wanted)
            except Exception as error:
                _send(
                    replies,
                    (UNFIT, _portable(WorkerSetupError(str(error) or type(error).__name__))),
                )
                continue
            sent = wanted
        try:
            answer = RESULT, pickle.dumps(function(pickle.loads(item)) if item else None)
        except RetireWorkerError as error:
            answer = LAST, pickle.dumps(error.result)
        except Exception as error:
            answer = ERROR, _portable(error)
        _send(replies, answer)


def _listen(requests: Any, inbox: queue.SimpleQueue[tuple[bytes, bytes]]) -> None:
    """Put what comes into the inbox; end with the parent, even in the middle of work."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            inbox.put(pickle.load(requests))
    _vanish()


def _vanish() -> None:
    _kill_group(os.getpid())
    os._exit(0)


def _portable(error: Exception) -> bytes:
    """Pickle an exception; of one that cannot be pickled what it says."""
    try:
        pickle.loads(content := pickle.dumps(error))
    except Exception:
        return pickle.dumps(MnistlabError(f"{type(error).__name__}: {error}"))
    return content


def _send(pipe: Any, message: tuple[Any, bytes]) -> None:
    pickle.dump(message, pipe)
    pipe.flush()
