"""The lanes: whose queue is in which, and that they do not hold each other up."""

import pytest
from running_studio import RunningStudio

from resources.run_tags import COMMON_QUEUE
from studio_pipelines.catalogue import chains, operations
from studio_pipelines.catalogue import queues as all_queues
from studio_pipelines.lanes import lane_named, lanes


def test_every_operation_and_chain_has_its_queue_in_exactly_one_lane() -> None:
    queues = [queue for lane in lanes() for queue in lane.queues if queue != COMMON_QUEUE]
    assert sorted(queues) == sorted(all_queues().values())
    for operation in operations().values():
        assert operation.name in lane_named(operation.lane).queues
    for chain in chains().values():
        assert chain.queue in lane_named(chain.lane).queues


def test_lanes_are_in_order_and_have_work() -> None:
    names = [lane.name for lane in lanes()]
    assert names == sorted(set(names))
    assert all(lane.queues for lane in lanes())


def test_every_worker_takes_what_belongs_to_no_operation() -> None:
    assert all(COMMON_QUEUE in lane.queues for lane in lanes())


def test_a_lane_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="no lane 'nonsense'"):
        lane_named("nonsense")


@pytest.mark.stack
def test_a_long_job_does_not_hold_up_another_lane(
    media_studio: RunningStudio, pixel_png: bytes
) -> None:
    image, studio = media_studio.upload(pixel_png), media_studio.studio
    long = media_studio.begin(image, secondsTaken=60)
    media_studio.job_once(long, "processing")
    assert studio.run("grading_apply", image=image, exposure=1.0, priority=0).has_ended
    assert studio.job(long).status == "processing"
    studio.cancel(long)
    media_studio.job_once(long, "canceled")
