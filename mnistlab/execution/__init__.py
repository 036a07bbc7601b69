"""Run the same work in worker processes on this machine or on a Dask cluster."""

from mnistlab.execution.pool import Backend, Pool, available_cores, open_pool
from mnistlab.execution.worker import RetireWorkerError, WorkerDiedError, WorkerProcess

__all__ = [
    "Backend",
    "Pool",
    "RetireWorkerError",
    "WorkerDiedError",
    "WorkerProcess",
    "available_cores",
    "open_pool",
]
