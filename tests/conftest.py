"""What many tests share: real servers, workers and stores."""

import io
import secrets
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("studio", deadline=None)
hypothesis.settings.load_profile("studio")
# What a shell starts in the background ignores it, and so would every process that is started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS_DIR = Path(__file__).resolve().parent
# The folders here are named like the packages that they test; the packages must be found first.
sys.path.insert(0, str(TESTS_DIR.parent))

from keyed_studio import KeyedStudio, keyed_studio  # noqa: E402
from PIL import Image  # noqa: E402
from running_studio import RunningStudio, running_studio, settings_for  # noqa: E402
from webhook_receiver import SECRET  # noqa: E402
from work_sharing import SharedStudios, file_of, shared_studio  # noqa: E402

from resources.artifacts import ArtifactStore  # noqa: E402
from studio_pipelines.embedded_servers import embedded_broker  # noqa: E402
from studio_pipelines.settings import load_settings  # noqa: E402
from studio_pipelines.supervisor import Supervisor  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what shares a studio, then with what is long: nothing long is left for the end."""

    def turn(item: pytest.Item) -> int:
        shares = shared_studio(file_of(item.nodeid))
        return 0 if shares else 1 if item.get_closest_marker("long") else 2

    items.sort(key=turn)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> SharedStudios | None:
    return SharedStudios(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """A studio that runs for the whole session, with the worker of the twelfth operation alone."""
    settings = settings_for(tmp_path_factory.mktemp("studio"))
    with running_studio(settings, ("broker", "database", "worker-test", "api")) as running:
        yield running


@pytest.fixture(scope="session")
def media_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """A studio with every operation and every worker, and the twelfth operation's too."""
    settings = load_settings(
        data_dir=tmp_path_factory.mktemp("media-studio"),
        operation_packages=("studio_pipelines.operations", "twelfth_operation"),
        max_duration_s=600,
        webhook_allow_private_addresses=True,
        webhook_secret=SECRET,
    )
    with running_studio(settings, ("broker", "database", "worker", "api")) as running:
        yield running


@pytest.fixture(scope="session")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyedStudio]:
    """A studio that asks for keys."""
    with keyed_studio(
        tmp_path_factory.mktemp("keyed"),
        cors_origins=("https://app.example.org",),
        webhook_secret=SECRET,
        webhook_allow_private_addresses=True,
    ) as running:
        yield running


@pytest.fixture(scope="session")
def ada(keyed: KeyedStudio) -> RunningStudio:
    """The keyed studio, as somebody with a key of her own sees it."""
    return keyed.with_key()[0]


@pytest.fixture(scope="session")
def bob(keyed: KeyedStudio) -> RunningStudio:
    """The same, as somebody else sees it."""
    return keyed.with_key()[0]


@pytest.fixture(scope="session")
def admin(keyed: KeyedStudio) -> RunningStudio:
    """The same, as whoever may see everything does."""
    return keyed.with_key("admin")[0]


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey server of its own, without anybody else on it."""
    folder = tmp_path_factory.mktemp("broker")
    supervisor = Supervisor(folder)
    server = embedded_broker(folder)
    supervisor.start([server.process])
    supervisor.wait_ready()
    yield server.url
    supervisor.stop()


@pytest.fixture(params=["folder", "memory"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    """An empty store: once in a folder, once in fsspec's memory file system."""
    if request.param == "folder":
        return ArtifactStore(url=tmp_path.joinpath("store").as_uri())
    return ArtifactStore(url=f"memory://{secrets.token_hex(8)}")


@pytest.fixture
def folder_store(tmp_path: Path) -> ArtifactStore:
    """An empty store in a folder."""
    return ArtifactStore(url=tmp_path.joinpath("store").as_uri())


@pytest.fixture(scope="session")
def pixel_png() -> bytes:
    """A picture of one pixel."""
    file = io.BytesIO()
    Image.new("RGB", (1, 1), (200, 100, 50)).save(file, "PNG")
    return file.getvalue()
