"""Mix the stems of a song anew."""

import math
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from time import perf_counter
from typing import Annotated

import dagster as dg
from pydantic import Field

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.progress import Progress
from studio_pipelines.errors import InvalidParameter
from studio_pipelines.inner_op import InnerOp
from studio_pipelines.media.sniff import Media
from studio_pipelines.operation import ModelIdentity, OperationResult, Parameters, studio_op

MODEL = ModelIdentity("studio-stem-mix", "1", "Apache-2.0", "builtin")

GainDb = Annotated[float, Field(ge=-60, le=24)]


class StemMix(Parameters):
    """How loud each stem is in the mix."""

    gains: dict[str, GainDb] = Field(
        default_factory=dict, description="Gain by stem, in dB; 0 where a stem is not named."
    )
    mute: list[str] = Field(default_factory=list, description="Stems that are left out.")


@studio_op(StemMix)
def stem_mix(
    _context: dg.OpExecutionContext,
    params: StemMix,
    stems: Mapping[str, Artifact],
    artifacts: ArtifactStore,
    progress: Progress,
) -> OperationResult:
    """Add the stems of a song up, each with its own gain."""
    from studio_pipelines.media.stem_mixing import MIX_ENCODING, mix_stems

    sounds = {
        name: asset
        for name, asset in stems.items()
        if asset.media_type.startswith(f"{Media.AUDIO.value}/")
    }
    gains_db = _gains_db(params, tuple(sounds))
    with ExitStack() as opened:
        paths = {
            name: opened.enter_context(artifacts.local_path(asset))
            for name, asset in sounds.items()
            if gains_db[name] > -math.inf
        }
        folder = opened.enter_context(artifacts.scratch())
        target = folder / f"mix.{MIX_ENCODING.extension}"
        started_s = perf_counter()
        report = partial(_report, progress)
        mix = mix_stems(paths, gains_db, target, report_progress=report)
        mix_ms = round(1000 * (perf_counter() - started_s), 1)
        kept = artifacts.adopt(target, media_type=MIX_ENCODING.media_type, filename=target.name)
    return OperationResult(
        assets={"mix": kept},
        metrics={"stems": len(paths), "audioSeconds": mix.duration_s, "mixMs": mix_ms},
        verification={"passed": True, "samplePeakDb": mix.sample_peak_db},
        model=MODEL,
    )


def _report(progress: Progress, share: float) -> None:
    progress.report(share, "mixing")


def _gains_db(params: StemMix, stems: tuple[str, ...]) -> dict[str, float]:
    """Return the gain of each stem in dB, -inf of one that is left out."""
    for field, named in (("gains", params.gains), ("mute", params.mute)):
        if unknown := [name for name in named if name not in stems]:
            raise InvalidParameter(
                f"{field}: there is no stem {unknown[0]!r}.",
                field=field,
                hint=f"This song has {', '.join(stems)}.",
            )
    if set(params.mute) >= set(stems):
        raise InvalidParameter(
            "mute: no stem is left to mix.", field="mute", hint="Leave one of them in."
        )
    return {
        name: -math.inf if name in params.mute else params.gains.get(name, 0.0) for name in stems
    }


STEP = InnerOp(op=stem_mix, parameters=StemMix, model=MODEL)
