"""Workers that are forked from one process, and do without it afterwards."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from running_studio import TESTS_DIR, eventually, settings_for

from studio_pipelines.stack import Stack, running_stack, start_stack
from studio_pipelines.stack_processes import Selection, StackError
from studio_pipelines.supervised_process import ProcessState

pytestmark = pytest.mark.stack
WORKERS = ("worker-test", "worker-test-2")


@pytest.fixture(autouse=True)
def _finds_test_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(TESTS_DIR.parent), str(TESTS_DIR))))


def running_nurseries() -> list[psutil.Process]:
    """Those of this process, and not what they have forked."""
    return [
        child
        for child in psutil.Process().children()
        if "studio_pipelines.nursery_process" in child.cmdline()
        and child.status() != psutil.STATUS_ZOMBIE
    ]


@pytest.fixture
def nurseries() -> Callable[[], list[psutil.Process]]:
    """Returns those that a test has started: studios that tests share have theirs."""
    others = running_nurseries()
    return lambda: [one for one in running_nurseries() if one not in others]


def pids(stack: Stack) -> dict[str, int | None]:
    return {
        one.name: one.pid
        for one in stack.supervisor.status()
        if one.name in WORKERS and one.state is ProcessState.READY
    }


def test_the_lanes_of_a_selection() -> None:
    assert Selection().worker_lanes is None
    assert Selection(("api", "worker")).worker_lanes is None
    assert Selection(("api", "worker-image", "worker-audio-2")).worker_lanes == {"image", "audio"}
    assert Selection(("broker",)).worker_lanes == set()


def test_a_worker_needs_its_nursery_only_to_begin(
    tmp_path: Path, nurseries: Callable[[], list[psutil.Process]]
) -> None:
    settings = settings_for(tmp_path / "studio", lane_workers={"test": 2})
    with running_stack(settings, ("broker", "database", "worker-test")) as stack:
        begun = pids(stack)
        assert set(begun) == set(WORKERS)
        (nursery,) = nurseries()
        family = [psutil.Process(pid) for pid in begun.values()]
        family += [child for one in family for child in one.children(recursive=True)]
        assert {one.parent().parent() for one in family[:2]} == {nursery}  # type: ignore[union-attr]

        # A worker dies: it alone is started again, by the same nursery.
        os.kill(begun["worker-test"] or 0, signal.SIGKILL)
        second = eventually(lambda: _all_but(begun, pids(stack)), timeout_s=60)
        assert second["worker-test-2"] == begun["worker-test-2"]
        assert nurseries() == [nursery]

        # The nursery dies: no worker minds.
        nursery.kill()
        nursery.wait()
        assert pids(stack) == second

        # A shim dies: its worker with it, and there is a new nursery for the next one.
        shim = psutil.Process(second["worker-test"]).parent()
        assert shim is not None
        shim.kill()
        third = eventually(lambda: _all_but(second, pids(stack)), timeout_s=120)
        assert third["worker-test-2"] == begun["worker-test-2"]
        assert len(nurseries()) == 1
        last = [psutil.Process(pid) for pid in third.values()]
    assert nurseries() == []
    _gone, alive = psutil.wait_procs([*family, *last], timeout=5)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


def _all_but(before: dict[str, int | None], now: dict[str, int | None]) -> dict[str, int | None]:
    """Return what runs once both workers do, and the first is another process."""
    changed = set(now) == set(WORKERS) and now["worker-test"] != before["worker-test"]
    return now if changed else {}


def test_a_stack_that_stops_while_its_nursery_loads_leaves_nothing(
    tmp_path: Path, nurseries: Callable[[], list[psutil.Process]]
) -> None:
    stack = start_stack(
        settings_for(tmp_path / "studio", api_port=0), ("broker", "database", "worker-test")
    )
    assert len(nurseries()) == 1
    stack.supervisor.stop()
    assert nurseries() == []
    states = {one.name: one.state for one in stack.supervisor.status()}
    assert states["worker-test"] is ProcessState.STOPPED


def test_operations_that_cannot_be_loaded_are_told(
    tmp_path: Path, nurseries: Callable[[], list[psutil.Process]]
) -> None:
    settings = settings_for(tmp_path / "studio").model_copy(
        update={"operation_packages": ("no_such_package",)}
    )
    with pytest.raises(StackError, match="No module named 'no_such_package'"):
        start_stack(settings, ("broker", "database", "worker"))
    assert nurseries() == []
