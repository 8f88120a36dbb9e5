import io
from pathlib import Path

from rich.console import Console

from studio_pipelines.demo.report import addresses, figures, results_table, workers_table
from studio_pipelines.demo.tour import Result

FOLDER = Path("demo-output/master-the-song")
MASTERED = {
    "passed": False,
    "reason": None,
    "targetLufs": -14.0,
    "integratedLufs": -14.02,
    "before": {"integratedLufs": None, "truePeakDb": -5.91},
    "after": {"integratedLufs": -14.02, "truePeakDb": -1.0},
    "curve": [1, 2],
}
RESULT = Result(
    "Master the song",
    Path("song.flac"),
    {
        "url": "http://x/api/assets/b",
        "verification": MASTERED,
        "timings": {"totalMs": 1234.5},
        "assets": {
            "loudness": {"url": "http://x/api/assets/a"},
            "master": {"url": "http://x/api/assets/b"},
        },
    },
    {
        "loudness": Path("demo-output/master-the-song/loudness.png"),
        "master": Path("demo-output/master-the-song/master.flac"),
    },
)


def printed(*things: object) -> str:
    console = Console(width=110, record=True, file=io.StringIO())
    console.print(*things)
    return console.export_text()


def test_before_and_after_share_a_line() -> None:
    assert list(figures(MASTERED)) == [
        ("integratedLufs", "none → -14.02"),
        ("truePeakDb", "-5.91 → -1"),
        ("targetLufs", "-14"),
    ]


def test_a_missed_target_is_shown() -> None:
    text = printed(results_table([RESULT]))
    assert "✗ no" in text
    assert "1.23 s" in text


def test_the_address_and_the_file_are_told_whole() -> None:
    (address,) = addresses([RESULT])
    assert address.plain == "http://x/api/assets/b  →  master-the-song/master.flac"


def test_a_worker_that_is_away_has_no_figures() -> None:
    away = {"id": "audio-tts", "route": "/api/audio/tts", "status": "offline", "ready": False}
    here = {
        "id": "grading-engine", "route": "/api/grading/apply", "status": "ready", "ready": True,
        "vram": {"usedMiB": None, "device": "cpu"}, "rssMiB": 312.4, "heartbeatAgeMs": 431,
    }  # fmt: skip
    lines = [" ".join(line.split()) for line in printed(workers_table([away, here])).splitlines()]
    assert "audio-tts /api/audio/tts offline" in lines
    assert "grading-engine /api/grading/apply ready 312 MiB cpu 431 ms" in lines
