"""A worker process survives every task and leaves nothing running."""

import contextlib
import ctypes
import functools
import importlib
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
from mnistlab.execution.worker import (
    WorkerDiedError,
    WorkerProcess,
    WorkerSetupError,
)


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
    with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"  # a zombie is dead
    return False


def ends(pid):
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def test_tasks_are_done_in_one_process_that_is_another(worker):
    ask = functools.partial(eval, "__import__('os').getpid()")
    first, second = (pickle.loads(worker(pickle.dumps(ask), pickle.dumps({}))) for _ in range(2))
    assert first == second != os.getpid()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_memory_that_is_freed_is_used_again(worker):
    faults = "r.getrusage(r.RUSAGE_SELF).ru_minflt"
    code = f"[(b'x' * 10**8)[0] and {faults} for r in [__import__('resource')] * 3]"
    first, *others = do(worker, eval, code)
    # Pages of 4 kB that the kernel gave anew; an array has 24 414.
    assert max(others) - first < 1000


def test_an_error_of_a_task_is_raised_here_and_the_process_goes_on(worker):
    pid = do(worker, eval, "__import__('os').getpid()")
    message = r"the task failed: TypeError: bad operand type for abs\(\): 'str'"
    with pytest.raises(MnistlabError, match=message):
        do(worker, abs, "x")
    assert do(worker, eval, "__import__('os').getpid()") == pid


def test_an_error_that_cannot_be_pickled_is_raised_with_its_message(worker):
    code = "(_ for _ in ()).throw(type('Odd', (Exception,), {})('its message'))"
    with pytest.raises(MnistlabError, match="Odd: its message"):
        do(worker, eval, code)


@pytest.mark.parametrize(
    ("function", "item", "message"),
    [
        pytest.param(os._exit, 7, "crashed: exit code 7", id="exit"),
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
        pytest.param(
            exec, "import os, time; os.fork() or time.sleep(60); os._exit(7)", "code 7", id="fork"
        ),
    ],
)
def test_a_crash_is_reported_with_its_place_and_the_process_replaced(
    worker, function, item, message
):
    with pytest.raises(WorkerDiedError, match=message):
        do(worker, function, item)
    assert do(worker, abs, -3) == 3


CATASTROPHE = "__import__('re').match('(a+)+$', 'a' * 40 + 'b')"  # runs for years and keeps the GIL


@pytest.mark.parametrize(
    ("function", "item", "place"),
    [
        pytest.param(time.sleep, 60, r"_answer \(worker.py", id="sleep"),
        pytest.param(eval, CATASTROPHE, r"match \(__init__.py|match \(re.py", id="native code"),
    ],
)
def test_a_task_that_takes_too_long_is_stopped_even_in_native_code(worker, function, item, place):
    do(worker, abs, -1)  # the process has started
    with pytest.raises(WorkerDiedError, match=f"timed out after 0.2 s, in ({place})") as caught:
        do(worker, function, item, seconds=0.2)
    assert 0.2 <= caught.value.seconds < 60
    assert do(worker, abs, -3) == 3


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")
@pytest.mark.parametrize("then", ["time.sleep(60)", "os._exit(1)"])
def test_a_process_that_a_task_started_ends_with_it(worker, tmp_path, then):
    path = tmp_path / "pid"
    code = f"""import os, pathlib, subprocess, time
process = subprocess.Popen(["sleep", "60"])
pathlib.Path({str(path)!r}).write_text(str(process.pid))
{then}"""
    do(worker, abs, -1)  # the process has started
    with pytest.raises(WorkerDiedError, match=r"timed out|crashed"):
        do(worker, exec, code, seconds=1)
    assert ends(int(path.read_text()))


@pytest.mark.parametrize("module", ["json", "pickle", "subprocess", "multiprocessing"])
def test_a_module_of_the_working_directory_does_not_stand_in_for_the_library(
    worker, monkeypatch, tmp_path, module
):
    (tmp_path / f"{module}.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # as for a pipeline in FILE.py
    where = do(worker, eval, f"__import__({module!r}).__file__")
    assert where == importlib.import_module(module).__file__


def test_what_a_task_prints_is_not_taken_for_a_reply(worker, capfd):
    assert do(worker, eval, "[print('x' * 10**6), __import__('os').write(1, b'y'), 3][-1]") == 3
    assert capfd.readouterr() == ("", "")


def test_a_process_that_a_task_retires_is_replaced_after_its_result(worker):
    pid = do(worker, eval, "__import__('os').getpid()")
    module = "__import__('mnistlab.execution', fromlist=['_'])"
    assert do(worker, eval, f"(_ for _ in ()).throw({module}.RetireWorkerError(3))") == 3
    assert do(worker, eval, "__import__('os').getpid()") != pid


def test_a_function_that_the_process_cannot_load_is_an_error(worker):
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
pid = worker(pickle.dumps(eval), pickle.dumps("__import__('os').getpid()"))
print(pickle.loads(pid), flush=True)
sleep = pickle.dumps(time.sleep), pickle.dumps(60)
threading.Thread(target=worker, args=sleep, daemon=True).start()
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
    assert ends(pid), "the worker outlives its parent"
