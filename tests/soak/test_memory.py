"""The workers' memory over many mixed jobs: what one job takes, the next finds given back."""

import io
import random
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import psutil
import pytest
from job_stream import GRADING, MASTERING, SAMPLES_DIR, music
from PIL import Image
from running_studio import RunningStudio, running_studio

from bench.record import conditions, write_record
from studio_pipelines.settings import load_settings

pytestmark = [pytest.mark.stack, pytest.mark.soak, pytest.mark.timeout(3600)]
PROCESSES = ("broker", "database", "worker-image", "worker-audio", "api")
JOBS, SEED = 200, 7
# Both windows hold the same mix: the jobs come in rounds of twenty, each in an order by chance.
ROUND = 20
WARM, LAST = slice(20, 40), slice(JOBS - 20, JOBS)
TOLERANCE = 0.05
EDGES_PX = (320, 900, 1800, 3000)
MIB = 1 << 20


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    with running_studio(
        load_settings(data_dir=tmp_path_factory.mktemp("memory")), PROCESSES
    ) as running:
        yield running


def test_memory_is_flat_over_200_mixed_jobs(studio: RunningStudio) -> None:
    figures = conditions()
    rss_mib: dict[str, list[float]] = {name: [] for name in PROCESSES}
    for route, body in mixed_requests(studio):
        answer = studio.client.post(route, json=body, timeout=120)
        assert answer.status_code == 200, answer.text
        for name, taken in rss_mib.items():
            taken.append(family_rss_mib(studio.process(name)))
    rows = {name: window_figures(taken) for name, taken in rss_mib.items()}
    write_record("memory", {**figures, "jobs": JOBS, "rss_mib": rows})
    workers = {name: row for name, row in rows.items() if name.startswith("worker-")}
    assert all(abs(row["growth_percent"]) <= 100 * TOLERANCE for row in workers.values()), workers


def mixed_requests(studio: RunningStudio) -> Iterator[tuple[str, dict[str, Any]]]:
    """Gradings of four sizes and masterings of three songs, in rounds of the same jobs."""
    pictures = [studio.upload(picture(edge_px)) for edge_px in EDGES_PX]
    lut = studio.upload((SAMPLES_DIR / "warm_dusk.cube").read_bytes())
    songs = [studio.upload(music(f"music-{name}.flac")) for name in ("mix", "bass", "drums")]
    gradings = [
        (GRADING, {"image": image, "lut": lut, "format": kind})
        for image in pictures
        for kind in ("png", "jpeg", "webp")
    ]
    masterings = [
        (MASTERING, {"audio": song, "format": kind}) for song in songs for kind in ("wav", "flac")
    ]
    extra = [(MASTERING, {"audio": song, "preset": "podcast"}) for song in songs[:2]]
    one_round = [*gradings, *masterings, *extra]
    assert len(one_round) == ROUND
    chance = random.Random(SEED)
    for _ in range(JOBS // ROUND):
        yield from chance.sample(one_round, ROUND)


def picture(edge_px: int) -> bytes:
    """A sample as a square JPEG of some size."""
    file = io.BytesIO()
    with Image.open(SAMPLES_DIR / "astronaut.jpg") as sample:
        sample.resize((edge_px, edge_px)).save(file, "JPEG", quality=90)
    return file.getvalue()


def family_rss_mib(process: psutil.Process) -> float:
    """Resident memory of a process and all that it started."""
    family = (process, *process.children(recursive=True))
    return sum(one.memory_info().rss for one in family) / MIB


def window_figures(taken: Sequence[float]) -> dict[str, float]:
    """The medians of both windows, and how far the later one is above the earlier."""
    warm, last = statistics.median(taken[WARM]), statistics.median(taken[LAST])
    return {
        "jobs_20_to_40": round(warm, 1),
        "last_20": round(last, 1),
        "highest": round(max(taken), 1),
        "growth_percent": round((last / warm - 1) * 100, 2),
    }
