import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from studio_pipelines.contract.assets import Asset
from studio_pipelines.contract.jobs import JobData, Model, Timings
from studio_pipelines.contract.service import Memory, WorkerRow
from studio_pipelines.demo.errands import MASTERED
from studio_pipelines.demo.report import addresses, figures, results_table, workers_table
from studio_pipelines.demo.tour import DemoFailed, Result

FOLDER = Path("demo-output/mastered")
MISSED: dict[str, Any] = {
    "passed": False,
    "reason": "It is 2 LU too soft.",
    "targetLufs": -14.0,
    "before": {"integratedLufs": None, "truePeakDb": -5.91},
    "after": {"integratedLufs": -16.02, "truePeakDb": -1.0},
    "curve": [1, 2],
}


def asset(letter: str) -> Asset:
    return Asset(
        id=f"ast_{letter}",
        url=f"http://x/api/assets/{letter}",
        media_type="audio/flac",
        bytes=1,
        sha256="0" * 64,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def result(files: dict[str, Path]) -> Result:
    data = JobData(
        url="http://x/api/assets/b",
        assets={"loudness": asset("a"), "master": asset("b")},
        metrics={},
        verification=MISSED,
        model=Model(name="studio-master", version="1", licence="Apache-2.0", source="builtin"),
        timings=Timings(queued_ms=0, start_ms=0, run_ms=1234.5, total_ms=2000),
    )
    return Result(MASTERED, data, files)


RESULT = result({"loudness": FOLDER / "loudness.png", "master": FOLDER / "master.flac"})


def printed(*things: object) -> str:
    console = Console(width=110, record=True, file=io.StringIO())
    console.print(*things)
    return console.export_text()


def test_before_and_after_share_a_line() -> None:
    assert list(figures(MISSED)) == [
        "loudness none to -16.0 LUFS",
        "true peak -5.9 to -1.0 dBTP",
        "It is 2 LU too soft.",
    ]


def test_figures_are_told_in_words_and_others_left_out() -> None:
    measured = {"passed": True, "meanDeltaE2000": 4.19, "clippedShareAfter": 0.00157, "samples": 9}
    assert list(figures(measured)) == [
        "colours moved by 4.2 (CIEDE2000) on average",
        "0.16% of the pixels clipped",
    ]


def test_a_missed_target_is_shown() -> None:
    text = printed(results_table([RESULT]))
    assert "✗ no" in text
    assert "1.2 s" in text
    assert "It is 2 LU too soft." in text


def test_the_address_and_the_file_are_told_whole() -> None:
    (address,) = addresses([RESULT])
    assert address.plain == "http://x/api/assets/b  →  mastered/master.flac"


def test_what_is_to_be_shown_must_be_there() -> None:
    assert RESULT.shown_file == FOLDER / "loudness.png"
    with pytest.raises(DemoFailed, match="Master the song for streaming: the studio gave no loud"):
        _ = result({"master": FOLDER / "master.flac"}).shown_file


def row(name: str, route: str, **more: Any) -> WorkerRow:
    away: dict[str, Any] = {
        "status": "offline", "ready": False, "built": False, "lane": None, "processes": 0,
        "vram": None, "rss_mib": None, "ram_reserved_mib": None, "models": (), "current_job": None,
        "queue_depth": 0, "heartbeat_age_ms": None, "host": None, "pid": None,
    }  # fmt: skip
    return WorkerRow.model_validate({"id": name, "route": route, **away, **more}, by_name=True)


def test_a_worker_that_is_away_has_no_figures() -> None:
    none = Memory.model_validate(
        {"usedMiB": None, "peakMiB": None, "reservedMiB": None, "totalMiB": None, "device": "cpu"}
    )
    rows = [
        row("audio-tts", "/api/audio/tts"),
        row(
            "grading-engine",
            "/api/grading/apply",
            status="ready",
            ready=True,
            vram=none,
            rss_mib=312.4,
            heartbeat_age_ms=431,
        ),
    ]
    lines = [" ".join(line.split()) for line in printed(workers_table(rows)).splitlines()]
    assert "audio-tts /api/audio/tts offline" in lines
    assert "grading-engine /api/grading/apply ready 312 MiB cpu 431 ms" in lines
