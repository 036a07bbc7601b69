"""A worker survives whatever its work does, and leaves nothing behind."""

import ctypes
import functools
import operator
import os
import pickle
import platform
import signal
import subprocess
import sys
import time

import pytest

from mnistlab.errors import MnistlabError
from mnistlab.execution.worker import WorkerDiedError, WorkerProcess, WorkerSetupError


@pytest.fixture
def worker():
    worker = WorkerProcess()
    yield worker
    worker.end()


def do(worker, function, item=None, seconds=None):
    return pickle.loads(worker(pickle.dumps(function), pickle.dumps(item), seconds))


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:  # a zombie is dead
        return file.read().rpartition(")")[2].split()[0] != "Z"


def test_work_is_done_in_one_process_that_is_another(worker):
    ask = functools.partial(eval, "__import__('os').getpid()")
    first, second = (pickle.loads(worker(pickle.dumps(ask), pickle.dumps({}))) for _ in range(2))
    assert first == second != os.getpid()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_memory_that_is_freed_is_used_again(worker):
    work = "[(b'x' * 10**8)[0] and it.getrusage(it.RUSAGE_SELF).ru_minflt for it in [__import__('resource')] * 3]"
    first, *others = do(worker, eval, work)
    assert (
        max(others) - first < 1000
    )  # pages that the kernel gave anew: of 4 kB, an array has 24 414


def test_what_work_raises_is_raised_here_and_the_process_goes_on(worker):
    pid = do(worker, eval, "__import__('os').getpid()")
    with pytest.raises(TypeError, match=r"bad operand type for abs\(\): 'str'"):
        do(worker, abs, "x")
    assert do(worker, eval, "__import__('os').getpid()") == pid


def test_an_error_that_cannot_travel_is_told(worker):
    code = "(_ for _ in ()).throw(type('Odd', (Exception,), {})('as it is'))"
    with pytest.raises(MnistlabError, match="Odd: as it is"):
        do(worker, eval, code)


@pytest.mark.parametrize(
    ("function", "item", "message"),
    [
        pytest.param(os._exit, 7, "crashed: its process ended with code 7", id="exit"),
        pytest.param(
            ctypes.string_at,
            0,
            r"crashed: killed by SIGSEGV, in string_at \(",
            id="segmentation fault",
        ),
        pytest.param(
            eval,
            "__import__('os').kill(__import__('os').getpid(), 9)",
            "killed by SIGKILL",
            id="kill",
        ),
    ],
)
def test_a_crash_is_told_with_its_place_and_the_process_replaced(worker, function, item, message):
    with pytest.raises(WorkerDiedError, match=message):
        do(worker, function, item)
    assert do(worker, abs, -3) == 3


def test_work_that_takes_too_long_is_stopped_even_in_native_code(worker):
    with pytest.raises(
        WorkerDiedError, match=r"timed out after 0.2 s, in serve \(worker.py"
    ) as caught:
        do(worker, time.sleep, 60, seconds=0.2)
    assert 0.2 <= caught.value.seconds < 60
    assert do(worker, abs, -3) == 3


def test_a_function_that_cannot_be_had_there_is_told(worker):
    with pytest.raises(WorkerSetupError, match="No module named 'no_such_module'"):
        worker(b"cno_such_module\nf\n.", pickle.dumps(1))


def test_what_a_function_keeps_is_kept_while_it_is_the_same(worker):
    counter = functools.partial(functools.reduce, operator.add)
    assert [do(worker, counter, [1, 2]), do(worker, counter, [3, 4])] == [3, 7]


def test_an_ended_worker_starts_no_process(worker):
    do(worker, abs, -1)
    worker.end()
    with pytest.raises(WorkerDiedError, match="ended"):
        do(worker, abs, -1)


PARENT = """
import os, pickle, threading, time
from mnistlab.execution.worker import WorkerProcess
worker = WorkerProcess()
print(pickle.loads(worker(pickle.dumps(eval), pickle.dumps("__import__('os').getpid()"))), flush=True)
threading.Thread(target=worker, args=(pickle.dumps(time.sleep), pickle.dumps(60)), daemon=True).start()
time.sleep(60)
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")
def test_a_worker_ends_with_its_parent_in_the_middle_of_work(pytestconfig):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, env=environment
    )
    with parent:
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(pid), "the worker outlives its parent"
