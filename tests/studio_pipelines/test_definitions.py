import dagster as dg

from studio_pipelines.catalogue import operations, workers
from studio_pipelines.definitions import defs
from studio_pipelines.jobs import job_name


def test_the_definitions_load_whole() -> None:
    dg.Definitions.validate_loadable(defs)
    repository = defs.get_repository_def()
    for name in operations():
        assert repository.has_job(job_name(name))
    assert repository.has_sensor_def("worker_memory")


def test_there_is_an_asset_for_each_result_and_each_worker() -> None:
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {*operations(), *(f"workers/{worker.id}" for worker in workers())}
