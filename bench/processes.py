"""The processes of a running stack, and the processor time that they use."""

from collections.abc import Collection, Iterator, Mapping

import psutil

from studio_pipelines.stack import Stack


def stack_processes(stack: Stack) -> dict[str, psutil.Process]:
    """The processes of a stack by name; a worker's warm child has a row of its own."""
    found: dict[str, psutil.Process] = {}
    for status in stack.supervisor.status():
        process = found[status.name] = psutil.Process(status.pid)
        if status.name.startswith("worker-"):
            found[f"{status.name} child"] = process.children()[0]
    return found


def cpu_s(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    """Processor time that each has used, descendants included unless they have a row."""
    pids = frozenset(process.pid for process in processes.values())
    return {
        name: sum(_own_cpu_s(one) for one in _family(process, pids))
        for name, process in processes.items()
    }


def machine_cpu_s() -> float:
    """Processor time that the whole machine has been busy for, whoever with."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait - times.guest - times.guest_nice


def _family(process: psutil.Process, but_for: Collection[int]) -> Iterator[psutil.Process]:
    yield process
    try:
        children = process.children()
    except psutil.NoSuchProcess:
        return
    for child in children:
        if child.pid not in but_for:
            yield from _family(child, but_for)


def _own_cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system
