"""Measure what limits a campaign on a cluster: trials per minute and bytes sent per trial.

    python benchmarks/cluster.py --dataset digits

Starts a Dask cluster with 1 and then 2 workers on this machine. Each worker first runs every trial
once, to compile its programs; the second round is timed.
"""

import argparse
import pickle
import time

from distributed import LocalCluster

from mnistlab.data import load_dataset
from mnistlab.execution import Backend, open_pool
from mnistlab.faults import CATALOGUE, SAMPLE, TrialRunner, select_entries


def main() -> None:
    """Run the trials, count, and print."""
    parser = argparse.ArgumentParser(description="Measure trials on a cluster.")
    parser.add_argument("--dataset", choices=["mnist", "digits"], default="digits")
    parser.add_argument("--mnist-data")
    parser.add_argument("--full", action="store_true", help="run every check in every trial")
    parser.add_argument("--rounds", type=int, default=2, help="of the sample, in the timed part")
    options = parser.parse_args()
    dataset = load_dataset(options.dataset, options.mnist_data)
    settings = {"dataset": dataset.name, "seed": 0}
    runner = TrialRunner(settings, dataset, () if options.full else ("-x",))
    faults = [entry for entry in select_entries(CATALOGUE, SAMPLE) if entry.is_fault]
    works = [(fault.name, fault.reference) for fault in faults]
    for count in (1, 2):
        with (
            LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None) as cluster,
            open_pool(Backend(cluster.scheduler_address)) as pool,
        ):
            list(pool.in_order(runner, works * count))
            start = time.perf_counter()
            trials = list(pool.in_order(runner, works * options.rounds))
            minutes = (time.perf_counter() - start) / 60
        mean = sum(trial.seconds for trial in trials) / len(trials)
        print(
            f"{count} workers: {len(trials) / minutes:.1f} trials a minute, {mean:.2f} s a trial",
            flush=True,
        )
    sent = len(pickle.dumps(runner)) + max(len(pickle.dumps(work)) for work in works)
    received = max(len(pickle.dumps(trial)) for trial in trials)
    print(f"{sent} bytes into a trial, at most {received} out of it")


if __name__ == "__main__":
    main()
