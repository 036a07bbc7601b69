"""Tasks on a real Dask cluster on this machine, and all that may be wrong with its workers."""

import contextlib
import importlib
import multiprocessing
import operator
import os
import socket
import sys
import time
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from mnistlab.data.datasets import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.execution import dask_pool as dask_cluster
from mnistlab.execution import pool as workers
from mnistlab.execution.pool import Backend, open_pool
from mnistlab.execution.worker import WorkerDiedError
from mnistlab.gate import SeedRunner, open_runner

distributed = pytest.importorskip("distributed", reason="Dask is not installed")
NO_SUCH_PLACE = "tcp://127.0.0.1:9"
# Where a process of Dask's begins. mnistlab is not on its path, as a scheduler need not have it.
DASK = """
import os, runpy, sys
folder, log, root, *sys.argv = {given}
os.chdir(folder)
os.environ["MNISTLAB_DATA"] = "nowhere"  # these workers have no MNIST, and download none
for number in (1, 2):
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
sys.path[:] = [folder, *(place for place in sys.path if place not in ("", root))]
runpy.run_module("dask", run_name="__main__", alter_sys=True)
"""


class Cluster:
    """A scheduler and its workers."""

    def __init__(self, context, folder, root):
        self.context, self.folder, self.root = context, folder, root
        self.file = folder / "scheduler.json"
        self.processes = []
        self._start("scheduler", "--host=127.0.0.1", "--port=0", f"--scheduler-file={self.file}")

    def add(self, code="", threads=1):
        """Start a worker, which runs some code first."""
        preload = self.folder / f"preload{len(self.processes)}.py"
        # After an installed package, not before it.
        preload.write_text(
            f"import sys\nsys.path.append({str(self.root)!r})\n{code}\n", encoding="utf-8"
        )
        common = (
            "--host=127.0.0.1",
            "--no-nanny",
            f"--nthreads={threads}",
            f"--local-directory={self.folder}",
        )
        return self._start(
            "worker", f"--scheduler-file={self.file}", f"--preload={preload}", *common
        )

    @property
    def address(self):
        """Return the scheduler's address."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                return distributed.utils.json.loads(self.file.read_text(encoding="utf-8"))[
                    "address"
                ]
            time.sleep(0.05)
        pytest.fail("the scheduler does not start")

    def wait(self, count):
        """Wait until so many workers are there."""
        with distributed.Client(self.address, set_as_default=False) as client:
            deadline = time.monotonic() + 30
            while len(client.nthreads()) != count:
                assert time.monotonic() < deadline, (
                    f"{client.nthreads()} after 30 s, required {count}"
                )
                time.sleep(0.02)
        return self.address

    def _start(self, role, *arguments):
        log = f"{role}{len(self.processes)}.log"
        given = [str(self.folder), log, str(self.root), "dask", role, "--no-dashboard", *arguments]
        self.processes.append(
            self.context.Process(target=exec, args=(DASK.format(given=given), {}), daemon=True)
        )
        self.processes[-1].start()
        return self.processes[-1]

    def stop(self):
        """Kill all."""
        for process in self.processes:
            end(process)


def end(process):
    process.kill()
    process.join()


@pytest.fixture(scope="module")
def clusters(tmp_path_factory, pytestconfig):
    """Return two clusters: one with two workers, of one and two threads; and one without any."""
    context = multiprocessing.get_context("forkserver")  # one process imports Dask for all
    context.set_forkserver_preload(
        ["distributed", "distributed.cli.dask_scheduler", "distributed.cli.dask_worker"]
    )
    made = [
        Cluster(context, tmp_path_factory.mktemp(name), pytestconfig.rootpath)
        for name in ("busy", "lone")
    ]
    made[0].add()
    made[0].add(threads=2)
    yield SimpleNamespace(busy=made[0], lone=made[1])
    for cluster in made:
        cluster.stop()


@pytest.fixture(scope="module")
def pool(clusters):
    with open_pool(Backend(clusters.busy.wait(2), seconds=20)) as pool:
        yield pool


@pytest.fixture
def lone(clusters):
    """Return the cluster without workers; those that a test adds are gone afterwards."""
    yield clusters.lone
    while len(clusters.lone.processes) > 1:
        end(clusters.lone.processes.pop())
    clusters.lone.wait(0)


def test_work_is_done_and_its_results_come_back_in_order(pool):
    assert list(pool.in_order(operator.neg, range(20))) == [-item for item in range(20)]


def test_seeds_train_to_the_same_as_here(clusters, importable_tests):
    runner = SeedRunner(importable_tests.Fake(), importable_tests.DATASET)
    with open_runner(runner, Backend(clusters.busy.wait(2))) as train:
        there = list(train([5, 2, 9]))
    assert [run.seed for run in there] == [5, 2, 9]
    assert [run.metrics for run in there] == [runner(seed).metrics for seed in (5, 2, 9)]


@pytest.fixture
def importable_tests(monkeypatch, pytestconfig):
    monkeypatch.setattr(sys, "path", [*sys.path, str(pytestconfig.rootpath)])
    return importlib.import_module("tests.unit.gate.test_seed_runs")


def test_an_error_of_a_task_is_raised_here(pool):
    results = [result for _, result in pool.completed(operator.truediv, [1])]
    with pytest.raises(
        MnistlabError, match="the task failed: TypeError: truediv expected 2 arguments, got 1"
    ):
        results[0]()


def test_a_crash_of_the_work_is_its_result_and_costs_no_worker(pool):
    code = "__import__('os')._exit(7)"
    results = dict(pool.completed(eval, [code, "6 * 7"]))
    assert results["6 * 7"]() == 42
    with pytest.raises(WorkerDiedError, match="crashed: exit code 7"):
        results[code]()


def test_work_that_takes_too_long_is_its_result(clusters):
    with open_pool(Backend(clusters.busy.wait(2), seconds=0.5)) as pool:
        (_, result), *_ = pool.completed(time.sleep, [60])
        with pytest.raises(WorkerDiedError, match=r"timed out after 0\.5 s"):
            result()


@pytest.fixture
def victim(clusters):
    process = clusters.busy.add()
    yield process
    end(process)
    clusters.busy.wait(2)


def test_a_worker_that_is_killed_in_the_middle_costs_nothing_but_time(clusters, victim):
    with open_pool(Backend(clusters.busy.wait(3))) as pool:
        code = "[__import__('time').sleep(0.2), {}][1]"
        results = []
        for _, result in pool.completed(eval, [code.format(number) for number in range(16)]):
            results.append(result())
            if len(results) == 2:
                end(victim)
    assert sorted(results) == list(range(16))


def test_no_process_is_left_on_the_workers(clusters):
    with open_pool(Backend(clusters.busy.wait(2))) as pool:
        pids = set(pool.in_order(eval, ["__import__('os').getpid()"] * 6))
    deadline = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


def test_a_scheduler_without_workers_is_an_error(lone):
    with (
        pytest.raises(MnistlabError, match="has no worker; start some: dask worker tcp://"),
        open_pool(Backend(lone.address)),
    ):
        pass


@pytest.mark.parametrize(
    ("code", "message"),
    [
        pytest.param(
            "sys.modules['mnistlab'] = None",
            r"worker tcp://\S+: has no mnistlab .*install it there",
            id="none",
        ),
        pytest.param(
            "import mnistlab; mnistlab.__version__ = '0.0.9'",
            r"worker tcp://\S+: mnistlab 0\.0\.9, required \S+ as here",
            id="other version",
        ),
        pytest.param(
            "from mnistlab import environment; environment.NUMERICS = (); environment.versions()",
            r"worker tcp://\S+: tensorflow None, required \S+ as here",
            id="no TensorFlow",
        ),
        pytest.param(
            "import os; os.environ['PYTHONHOME'] = 'nowhere'",
            r"worker tcp://\S+: crashed: exit code \d",
            id="processes that crash",
        ),
    ],
)
def test_a_worker_that_is_not_as_here_is_named(lone, code, message):
    lone.add(code)
    with open_pool(Backend(lone.wait(1))) as pool, pytest.raises(MnistlabError, match=message):
        list(pool.in_order(operator.neg, [1]))


def test_a_worker_that_comes_late_and_lacks_mnistlab_is_named(lone, monkeypatch):
    monkeypatch.setattr(workers, "POLL_SECONDS", 0.1)
    first = lone.add()
    with open_pool(Backend(lone.wait(1))) as pool:
        results = pool.in_order(time.sleep, [0, 60, 60])
        next(results)
        lone.add("sys.modules['mnistlab'] = None")
        lone.wait(2)
        end(first)
        with pytest.raises(
            MnistlabError,
            match=r"^worker tcp://\S+: has no mnistlab .*install it there, or stop it$",
        ):
            next(results)


def test_a_worker_that_does_not_answer_is_named(lone, monkeypatch):
    monkeypatch.setattr(dask_cluster, "CHECK_SECONDS", 0.01)
    lone.add()
    with (
        open_pool(Backend(lone.wait(1))) as pool,
        pytest.raises(
            MnistlabError, match=r"worker tcp://\S+: (no answer|timed out) after 0\.01 s"
        ),
    ):
        list(pool.in_order(operator.neg, [1]))


def test_work_that_costs_every_worker_that_tries_it_has_crashed():
    pool = workers.Pool(
        lambda function, item: failed(distributed.KilledWorker("x", "tcp://x:1", 3)), bool, bool
    )
    ((_, result),) = pool.completed(operator.neg, [1])
    with pytest.raises(WorkerDiedError, match="crashed: every worker that tried it was lost"):
        result()


def failed(error):
    future = Future()
    future.set_exception(error)
    return future


def test_a_scheduler_that_is_lost_in_the_middle_is_an_error_and_not_a_hang(
    clusters, tmp_path, monkeypatch
):
    monkeypatch.setattr(workers, "POLL_SECONDS", 0.1)
    cluster = Cluster(clusters.lone.context, tmp_path, clusters.lone.root)
    try:
        cluster.add()
        with open_pool(Backend(cluster.wait(1))) as pool:
            results = pool.in_order(time.sleep, [0, 60])
            next(results)
            end(cluster.processes[0])
            with pytest.raises(MnistlabError, match="the Dask scheduler was lost; start it again"):
                next(results)
    finally:
        cluster.stop()


def test_a_worker_without_the_data_is_named(pool):
    data = Dataset("mnist", "/no/such/place", "ab" * 32, *[None] * 4)
    with pytest.raises(
        MnistlabError, match=r"worker tcp://\S+: nowhere: No such file or directory"
    ):
        list(pool.in_order(data.__eq__, [1]))


@pytest.fixture
def silent():
    """Return the address of a port that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield "tcp://127.0.0.1:{1}".format(*server.getsockname())


def test_a_port_that_says_nothing_is_an_error_and_not_a_hang(silent, monkeypatch):
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 0.5)
    message = rf"--scheduler {silent}: no answer after 0\.5 s; required the address"
    with pytest.raises(MnistlabError, match=message):
        open_pool(Backend(silent)).__enter__()


@pytest.mark.parametrize("address", [NO_SUCH_PLACE, "nonsense://x", "tcp://"])
def test_a_wrong_address_is_an_error_and_not_a_hang(address, monkeypatch):
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 0.3)
    with pytest.raises(
        MnistlabError, match=f"--scheduler {address}: .*required the address of a Dask scheduler"
    ):
        open_pool(Backend(address)).__enter__()


def test_without_dask_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MnistlabError, match=r'pip install "mnistlab\[cluster\]"'):
        open_pool(Backend("tcp://x:1")).__enter__()


def test_a_cluster_that_lost_its_last_worker_is_given_up(lone, monkeypatch):
    monkeypatch.setattr(dask_cluster, "LONELY_SECONDS", 0.2)
    monkeypatch.setattr(workers, "POLL_SECONDS", 0.1)
    worker = lone.add()
    with open_pool(Backend(lone.wait(1))) as pool:
        results = pool.completed(time.sleep, [0, 60])
        next(results)
        worker.kill()
        with pytest.raises(
            MnistlabError, match="has no worker any more; start some, then repeat the command"
        ):
            next(results)
