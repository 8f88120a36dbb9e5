"""The ledger's rules, on a real server: rows are told, leases granted in the order of the line."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated_device import CAPACITY_MIB, Speaker

from resources.memory_readings import of_process, read_tenants
from resources.vram_ledger import LEVEL_S, ROW_TTL_S, Ledger, Offer, Row, tenant_name

pytestmark = pytest.mark.stack

Make = Callable[[str], Speaker]


def test_what_fits_is_granted_at_once_and_what_does_not_waits(speaker: Make) -> None:
    first, second = speaker("first"), speaker("second")
    assert first.wants(700).granted_mib == 700
    assert second.wants(400).granted_mib is None
    first.tells()
    assert second.wants(400).granted_mib == 400


def test_models_that_are_kept_count(speaker: Make) -> None:
    first, second = speaker("first"), speaker("second")
    first.holds(100, resident_mib=600)
    assert second.wants(301).granted_mib is None
    assert second.wants(300).granted_mib == 300


def test_only_the_head_of_the_line_is_served(speaker: Make) -> None:
    holder, large, small = speaker("holder"), speaker("large"), speaker("small")
    holder.holds(500)
    assert large.wants(600).granted_mib is None
    # It would fit, and the large one would wait for ever.
    assert small.wants(100).granted_mib is None
    holder.tells()
    assert large.wants(600).granted_mib == 600
    assert small.wants(100).granted_mib == 100


def test_higher_priority_goes_first_and_waiting_makes_up_for_it(speaker: Make) -> None:
    holder, low, high = speaker("holder"), speaker("low"), speaker("high")
    holder.holds(900)
    since_ms = low.wants(500, priority=2).since_ms
    high.wants(500, priority=9)
    holder.tells()
    assert low.wants(500, priority=2).granted_mib is None
    long_ago_ms = since_ms - round(7.1 * LEVEL_S * 1000)
    assert low.wants(500, priority=2, since_ms=long_ago_ms).granted_mib == 500


def test_a_wish_larger_than_the_device_runs_alone(speaker: Make) -> None:
    holder, huge = speaker("holder"), speaker("huge")
    holder.holds(1)
    assert huge.wants(5000).granted_mib is None
    holder.tells(resident_mib=50)
    assert huge.wants(5000).granted_mib == CAPACITY_MIB - 50


def test_who_gives_up_leaves_the_line(speaker: Make) -> None:
    holder, first, second = speaker("holder"), speaker("first"), speaker("second")
    holder.holds(500)
    first.wants(600)
    second.wants(500)
    first.tells()
    assert second.wants(500).granted_mib == 500


def test_a_row_that_is_told_no_more_stops_counting_and_waiting(speaker: Make) -> None:
    holder, waiter, living = speaker("holder"), speaker("waiter"), speaker("living")
    holder.holds(900)
    waiter.wants(800)
    assert living.wants(700).granted_mib is None
    deadline_s = time.monotonic() + 3 * ROW_TTL_S
    while living.wants(700).granted_mib is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.2)
    (reading,) = read_tenants(living.ledger._client)
    assert reading.tenant == "living"


def test_a_grant_whose_answer_was_lost_is_asked_for_again(speaker: Make) -> None:
    first, second = speaker("first"), speaker("second")
    assert first.wants(700).granted_mib == 700
    # The answer never arrived: for the process itself it still waits.
    assert first.wants(700).granted_mib == 700
    assert second.wants(400).granted_mib is None


def test_the_head_is_woken_when_it_fits(speaker: Make) -> None:
    holder, waiter = speaker("holder"), speaker("waiter")
    holder.holds(700)
    waiter.wants(400)
    assert waiter.hears() is None
    holder.tells()
    assert waiter.hears() == "look"


def test_the_next_in_line_is_woken_by_a_grant(speaker: Make) -> None:
    holder, first, second = speaker("holder"), speaker("first"), speaker("second")
    holder.holds(900)
    first.wants(400)
    second.wants(400)
    holder.tells()
    assert first.wants(400).granted_mib == 400
    assert second.hears() == "look"


def test_idle_models_are_asked_for_oldest_first_and_warm_ones_last(speaker: Make) -> None:
    old, fresh, warm, waiter = (speaker(name) for name in ("old", "fresh", "warm", "waiter"))
    warm.tells(resident_mib=300, offers=Offer(warm=300), idle_s=99)
    old.tells(resident_mib=300, offers=Offer(cool=300), idle_s=20)
    fresh.tells(resident_mib=300, offers=Offer(cool=300), idle_s=10)
    waiter.wants(450)
    assert old.hears() == "evict 300 0"
    assert fresh.hears() == "evict 50 0"
    assert warm.hears() is None
    waiter.wants(800)
    assert warm.hears() == "evict 100 0"


def test_what_the_head_needs_itself_is_not_asked_of_it(speaker: Make) -> None:
    waiter = speaker("waiter")
    answer = waiter.wants(700, resident_mib=500, offers=Offer(cool=500), spare=Offer(cool=300))
    assert answer.granted_mib is None
    assert answer.spare_mib == 200


def test_what_a_waiter_needs_may_be_asked_of_it_by_the_head(speaker: Make) -> None:
    """Else two that wait with models loaded would wait for each other."""
    head, behind = speaker("head"), speaker("behind")
    behind.tells(resident_mib=600, offers=Offer(cool=600))
    head.wants(900)
    behind.wants(100, resident_mib=600, offers=Offer(cool=600), spare=Offer())
    assert behind.hears() == "evict 500 0"


def test_readings_tell_who_holds_what(speaker: Make, ledger_url: str) -> None:
    here = speaker(tenant_name("here", 42))
    here.tells('[{"name": "depth"}]', phase="working", resident_mib=120, working_mib=80)
    speaker("there:1").wants(30)
    client = redis.Redis.from_url(ledger_url, decode_responses=True)
    (reading,) = of_process(read_tenants(client), "here", 42)
    assert (reading.phase, reading.resident_mib, reading.reserved_mib) == ("working", 120, 80)
    assert reading.models == ({"name": "depth"},)
    assert not reading.on_cpu
    here.ledger.leave()
    assert of_process(read_tenants(client), "here", 42) == []


@dataclass
class Process:
    """A process of the model that the ledger is held against."""

    wants_mib: float | None = None
    holds_mib: float | None = None
    priority: int = 5
    since_ms: int = 0


ACTIONS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["ask", "tell", "tell", "end"]),
        st.integers(300, 700),
        st.integers(0, 9),
    ),
    min_size=5,
    max_size=40,
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(actions=ACTIONS)
def test_whatever_is_asked_it_is_never_over_booked_and_nobody_is_passed_by(
    actions: list[tuple[int, str, int, int]], ledger_url: str
) -> None:
    redis.Redis.from_url(ledger_url).flushdb()
    ledgers = [
        Ledger(ledger_url, device="simulated", tenant=f"{n}", capacity_mib=CAPACITY_MIB)
        for n in range(4)
    ]
    told = [Process() for _ in ledgers]

    def rank(one: Process) -> float:
        return one.since_ms - one.priority * LEVEL_S * 1000

    for number, action, mib, priority in actions:
        one = told[number]
        if action == "ask" and one.holds_mib is None and one.wants_mib is None:
            one.wants_mib, one.priority, one.since_ms = mib, priority, 0
        elif action == "end":
            one.wants_mib = one.holds_mib = None
        answer = ledgers[number].exchange(_row(one))
        if one.wants_mib is not None:
            one.since_ms = answer.since_ms
        waiting = [peer for peer in told if peer.wants_mib is not None]
        if answer.granted_mib is not None:
            assert answer.granted_mib == one.wants_mib
            assert rank(one) <= min(rank(peer) for peer in waiting)
            one.holds_mib, one.wants_mib = answer.granted_mib, None
        assert sum(peer.holds_mib or 0 for peer in told) <= CAPACITY_MIB
    _all_get_their_turn(ledgers, told)


def _all_get_their_turn(ledgers: list[Ledger], told: list[Process]) -> None:
    for _ in range(2 * len(told)):
        for ledger, one in zip(ledgers, told, strict=True):
            one.holds_mib = None
            if ledger.exchange(_row(one)).granted_mib is not None:
                one.wants_mib = None
                ledger.exchange(_row(one))
    assert all(one.wants_mib is None for one in told)


def _row(one: Process) -> Row:
    phase = "working" if one.holds_mib else "waiting" if one.wants_mib else "idle"
    return Row(
        phase=phase,
        working_mib=one.holds_mib or 0,
        wants_mib=one.wants_mib or 0,
        priority=one.priority,
        since_ms=one.since_ms,
    )
