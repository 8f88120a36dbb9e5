"""The Celery worker: takes a run from its queue and executes it in a process that stays warm.

The parent process answers the broker, tells its state each second and holds the imports; its one
prefork child inherits them, holds the models, and runs Dagster's in-process executor. CUDA is only
ever initialised in the child.
"""

import argparse
import os
import signal
import socket
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from celery import Celery
from celery.signals import (
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutting_down,
)

from resources import signals, tenants, tracing
from resources.broker import EXECUTE_RUN_TASK, make_celery
from studio_pipelines.lanes import Lane, lane_named
from studio_pipelines.log_format import set_log_format
from studio_pipelines.media.limits import set_media_limits
from studio_pipelines.run_execution import RunExecutor
from studio_pipelines.settings import load_settings
from studio_pipelines.worker_beat import BeatThread
from studio_pipelines.worker_name import WorkerName

MODULE = "studio_pipelines.worker"


def make_worker(redis_url: str, lane: Lane, name: WorkerName) -> Celery:
    """Return the Celery app of a lane's worker, its one task and its signal handlers in place."""
    app = make_celery(redis_url, queues=lane.queues)
    executor = RunExecutor(redis_url, name)
    beat = BeatThread(redis_url, name)

    @app.task(name=EXECUTE_RUN_TASK)
    def execute_run(run_id: str, resume: bool = False) -> None:
        executor.execute(run_id, resume=resume)

    executor.preload()

    @worker_process_init.connect(weak=False)
    def warm_up(**_: object) -> None:
        with worker_ends_on_failure():
            executor.warm_up()

    @worker_process_shutdown.connect(weak=False)
    def leave_child(**_: object) -> None:
        tenants.leave_all()
        if (provider := tracing.tracer_provider()) is not None:
            provider.shutdown()  # sends what is still on its way
        # Python would take two thousand modules and the models apart, for a second and more.
        os._exit(0)

    @worker_ready.connect(weak=False)
    def begin_beat(**_: object) -> None:
        beat.start()

    @worker_shutting_down.connect(weak=False)
    def end_beat(**_: object) -> None:
        beat.stop()
        signals.drop_beat(signals.connect(redis_url), str(name))

    return app


@contextmanager
def worker_ends_on_failure() -> Iterator[None]:
    """End the whole worker when a child cannot warm up; Celery would go on with a cold one.

    The supervisor starts it again, with growing pauses, and the log has the reason.
    """
    try:
        yield
    except BaseException:  # noqa: BLE001  a process that fails in any way must not serve
        traceback.print_exc()
        os.kill(os.getppid(), signal.SIGTERM)
        os._exit(1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the worker of one lane until it is told to stop.

    Args:
        arguments: Its lane and number, as on the command line; those of this process by default.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lane", required=True)
    parser.add_argument("--number", type=int, default=1, help="which of the lane's workers here")
    chosen = parser.parse_args(arguments)
    lane = lane_named(chosen.lane)
    name = WorkerName(lane.name, socket.gethostname(), chosen.number)
    settings = load_settings()
    set_media_limits(settings.model_dump())
    set_log_format()
    redis_url = os.environ.get("STUDIO_REDIS_URL") or str(settings.redis_url)
    make_worker(redis_url, lane, name).worker_main(
        [
            "worker",
            "--pool=prefork",
            "--concurrency=1",
            f"--hostname={name}",
            f"--queues={','.join(lane.queues)}",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            f"--loglevel={settings.log_level.lower()}",
        ]
    )


if __name__ == "__main__":
    main()
