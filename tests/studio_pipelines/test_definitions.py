import dagster as dg

from studio_pipelines.asset_specs import chain_assets
from studio_pipelines.catalogue import chains, operations, workers
from studio_pipelines.definitions import defs
from studio_pipelines.jobs import job_name
from studio_pipelines.verification import CHECK_NAME


def test_the_definitions_load_whole() -> None:
    dg.Definitions.validate_loadable(defs)
    repository = defs.get_repository_def()
    for name in (*operations(), *chains()):
        assert repository.has_job(job_name(name))
    assert repository.has_job("retention_job")
    for name in ("worker_memory", "run_failures"):
        assert repository.get_sensor_def(name).default_status is dg.DefaultSensorStatus.RUNNING
    schedule = repository.get_schedule_def("retention")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_there_is_a_check_of_each_result() -> None:
    keys = {(key.asset_key.to_user_string(), key.name) for key in graph_checks()}
    steps = {f"{chain.key}/{step}" for chain in chains().values() for step in chain.ops}
    assert keys == {(name, CHECK_NAME) for name in (*operations(), *steps)}


def graph_checks() -> set[dg.AssetCheckKey]:
    return set(defs.resolve_asset_graph().asset_check_keys)


def test_there_is_an_asset_for_each_result_and_each_worker() -> None:
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    of_chains = {spec.key.to_user_string() for spec in chain_assets()}
    assert keys == {*operations(), *of_chains, *(f"workers/{worker.id}" for worker in workers())}


def test_the_master_of_a_chain_is_made_from_the_mix_and_that_from_the_stems() -> None:
    deps = {
        spec.key.to_user_string(): {dep.asset_key.to_user_string() for dep in spec.deps}
        for spec in chain_assets()
    }
    assert deps["demix_master/audio_master"] == {"demix_master/stem_mix"}
    stems = deps["demix_master/stem_mix"]
    assert {"demix_master/audio_demix/vocals", "demix_master/audio_demix/drums"} <= stems
    assert all(deps[stem] == {"demix_master/audio_demix"} for stem in stems)
