"""What jobs have taken, for quotes: learned by operation, model and size of the input.

Beside each class of size stand all sizes of the model, and all models of the operation, so that
there is a figure, if a coarser one, for what has not been seen yet.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import redis

from resources.forecast import DECAY, KEPT_S, size_class
from resources.run_tags import INPUT_SIZE_TAG, OPERATION_TAG
from resources.waiting_line import WEIGHT_OF_NEWEST

FIGURES_KEY = "studio:figures"


@dataclass(frozen=True)
class Figures:
    """What jobs of one kind have taken.

    Attributes:
        jobs: How many there have been.
        mean_s: How long they took from the moment that a worker had them, the newest counting most.
        peak_ram_mib: Highest RAM beside what the worker had before, decaying, or None.
        peak_vram_mib: The same of a GPU, or None where none was used.
    """

    jobs: int
    mean_s: float
    peak_ram_mib: float | None = None
    peak_vram_mib: float | None = None


@dataclass(frozen=True)
class JobKind:
    """Jobs that take about the same.

    Attributes:
        operation: Operation or chain.
        model: The model that makes the main result; empty for all of them.
        size: Class of the input's size, as :func:`input_size` names it; empty for all of them.
    """

    operation: str
    model: str = ""
    size: str = ""

    @classmethod
    def of(cls, tags: Mapping[str, str], data: Mapping[str, Any]) -> "JobKind":
        """Return the kind of a job, by its run's tags and its results."""
        return cls(tags[OPERATION_TAG], data["model"]["name"], tags.get(INPUT_SIZE_TAG, ""))

    def wider(self) -> "tuple[JobKind, ...]":
        """Return the kind and those that hold it, the narrowest first."""
        of_model = JobKind(self.operation, self.model)
        return tuple(dict.fromkeys((self, of_model, JobKind(self.operation))))

    def field(self) -> str:
        """Name it in the hash."""
        return f"{self.operation}|{self.model}|{self.size}"


def input_size(total_bytes: int) -> str:
    """Name the class of a job's input by the bytes of all its files."""
    return size_class(total_bytes / 1e6, "megabytes")


def learn(client: redis.Redis, kind: JobKind, duration_s: float, data: Mapping[str, Any]) -> None:
    """Take a completed job into account.

    Args:
        client: Where figures are kept.
        kind: Its kind.
        duration_s: How long it took, in seconds.
        data: Its results, with the peaks of memory in their metrics.

    Raises:
        redis.RedisError: The server does not answer, and nothing is learned.
    """
    fields = [one.field() for one in kind.wider()]
    told: Any = client.hmget(FIGURES_KEY, fields)
    metrics = list(_metrics_in(data))
    measured = Figures(1, duration_s, _peak(metrics, "peakRamMiB"), _peak(metrics, "peakVramMiB"))
    updated: Any = {
        field: json.dumps(asdict(_joined(text, measured)))
        for field, text in zip(fields, told, strict=True)
    }
    client.hset(FIGURES_KEY, mapping=updated)
    client.expire(FIGURES_KEY, KEPT_S)


def known(client: redis.Redis, kind: JobKind) -> tuple[JobKind, Figures] | None:
    """Return the figures of the narrowest kind that has any, and that kind; None where none has.

    Raises:
        redis.RedisError: The server does not answer.
    """
    kinds = kind.wider()
    told: Any = client.hmget(FIGURES_KEY, [one.field() for one in kinds])
    found = ((one, text) for one, text in zip(kinds, told, strict=True) if text)
    return next(((one, Figures(**json.loads(text))) for one, text in found), None)


def _joined(told: str | None, newest: Figures) -> Figures:
    if told is None:
        return newest
    before = Figures(**json.loads(told))
    return Figures(
        jobs=before.jobs + 1,
        mean_s=round(before.mean_s + WEIGHT_OF_NEWEST * (newest.mean_s - before.mean_s), 4),
        peak_ram_mib=_decayed(before.peak_ram_mib, newest.peak_ram_mib),
        peak_vram_mib=_decayed(before.peak_vram_mib, newest.peak_vram_mib),
    )


def _decayed(before: float | None, newest: float | None) -> float | None:
    if before is None or newest is None:
        return before if newest is None else newest
    return max(newest, round(before - DECAY * (before - newest), 1))


def _metrics_in(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give the metrics of a job's results, its items' and its steps' too."""
    yield data.get("metrics", {})
    for part in (*data.get("items", ()), *data.get("steps", {}).values()):
        yield from _metrics_in(part)


def _peak(metrics: list[Mapping[str, Any]], name: str) -> float | None:
    return max((one[name] for one in metrics if name in one), default=None)
