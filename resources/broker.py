"""The Celery application that carries one task a run over Redis."""

from celery import Celery
from kombu.entity import Queue

EXECUTE_RUN_TASK = "studio.execute_run"
PRIORITIES = range(10)
CHILD_WARM_WITHIN_S = 300.0


def make_celery(redis_url: str, *, queues: tuple[str, ...] = ()) -> Celery:
    """Return a Celery app for the broker; a worker also names the queues that it serves.

    Tasks are acknowledged when taken: with late acknowledgement Redis hands a task out again after
    its visibility time-out, in the middle of a long training. What survives a dead worker is the
    Dagster run, found by its missing heartbeat.
    """
    app = Celery("studio", broker=redis_url)
    app.conf.update(
        task_acks_late=False,
        task_ignore_result=True,
        worker_concurrency=1,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        # Celery kills a child that is not up in time, 4 s by default, and starts it anew, for ever:
        # warming up takes longer on a busy machine.
        worker_proc_alive_timeout=CHILD_WARM_WITHIN_S,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_enable_remote_control=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "priority_steps": list(PRIORITIES),
            "sep": ":",
            "socket_timeout": 30,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "retry_on_timeout": False,
        },
    )
    if queues:
        app.conf.task_queues = [Queue(name, routing_key=name) for name in queues]
    return app


def send_run(app: Celery, run_id: str, *, queue: str, priority: int, resume: bool) -> None:
    """Queue a run's one task; ``priority`` is 0 (lowest) to 9, as clients give it."""
    app.send_task(
        EXECUTE_RUN_TASK,
        args=[run_id, resume],
        task_id=run_id,
        queue=queue,
        routing_key=queue,
        # kombu's Redis transport serves priority 0 first.
        priority=9 - priority,
        retry=False,
    )
