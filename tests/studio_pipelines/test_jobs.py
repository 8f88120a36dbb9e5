from twelfth_operation.file_copy import OPERATION

from resources.run_tags import LANE_TAG, OPERATION_TAG, QUEUE_TAG
from studio_pipelines.catalogue import chains, operations
from studio_pipelines.jobs import job_name, job_of, jobs


def test_a_job_runs_one_op_in_process_on_the_queue_of_its_name() -> None:
    job = job_of(OPERATION)
    assert job.name == job_name("file_copy") == "file_copy_job"
    assert job.description == "Copy a file."
    assert [node.name for node in job.nodes] == ["file_copy"]
    assert job.tags == {OPERATION_TAG: "file_copy", QUEUE_TAG: "file_copy", LANE_TAG: "test"}
    assert job.executor_def.name == "in_process"


def test_there_is_a_job_for_every_built_operation_and_chain() -> None:
    assert [job.name for job in jobs()] == [job_name(name) for name in (*operations(), *chains())]
