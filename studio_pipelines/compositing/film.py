"""Cut the subject out of a video frame by frame, and lay out the results in a folder."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio_pipelines.compositing.cutting import Means, Report, cut_out
from studio_pipelines.compositing.parameters import VfxComposite, wanted_outputs
from studio_pipelines.compositing.stills import Stills
from studio_pipelines.kept_files import Made

if TYPE_CHECKING:
    from studio_pipelines.media.layer import Layer
    from studio_pipelines.media.video import VideoFormat


def composite_film(
    params: VfxComposite,
    source: Path,
    background: "Layer | Path | None",
    means: Means,
    folder: Path,
    report: Report,
) -> Made:
    """Cut out each frame, lay it over the background, and write everything that was asked for.

    The sound is copied. Memory does not grow with the length.

    Args:
        params: What is asked for.
        source: The video.
        background: A picture, a video's file, or None.
        means: How the subject is found.
        folder: Where the files go.
        report: Is told how far the work is.
    """
    from studio_pipelines.compositing.film_results import FilmResults
    from studio_pipelines.media.shared_decoder import shared_decoder
    from studio_pipelines.media.video_client import open_video

    has_background = background is not None or params.background_colour is not None
    outputs = wanted_outputs(params, has_background=has_background, is_video=True)
    with (
        open_video(shared_decoder(), source, field="foreground") as stream,
        _backdrops(params, background) as below,
        FilmResults(params, outputs, stream.format, folder) as results,
    ):
        told = stream.format
        steady = _steady(params, means)
        first_stamp: int | None = None
        for frame in stream.frames:
            first_stamp = frame.time_stamp if first_stamp is None else first_stamp
            time_s = (frame.time_stamp - first_stamp) * told.time_base
            layer = _layer_of_frame(frame.pixels, told)
            stills = Stills(layer, below(time_s, layer))
            cut = cut_out(params, stills, steady, lambda _share, _stage: None)
            results.take(cut, frame.time_stamp)
            done = results.frames / max(told.frames_stated or 0, results.frames)
            report(0.1 + 0.8 * done, "compositing")
    report(0.92, "joining the sound")
    files = results.joined(source)
    return Made(
        files=files,
        metrics=results.figures(),
        verification=results.verification(files),
        notes=results.notes,
    )


def _steady(params: VfxComposite, means: Means) -> Means:
    """Return means whose answers are steadied from frame to frame."""
    from studio_pipelines.media.colour_program import PEAKS
    from studio_pipelines.media.steady_matte import SteadyMatte

    held = SteadyMatte(params.temporal_smoothing)

    def find(layer: "Layer") -> Any:
        peak = PEAKS[layer.codes.dtype.name]
        return held.steadied(means.find(layer), layer.codes, peak)

    return replace(means, find=find)


def _layer_of_frame(pixels: Any, told: "VideoFormat") -> "Layer":
    from studio_pipelines.media.layer import Layer
    from studio_pipelines.media.picture import Picture
    from studio_pipelines.media.tone_curves import video_curves

    return Layer(pixels, None, video_curves(told.colour.transfer), Picture(pixels))


@contextmanager
def _backdrops(
    params: VfxComposite, background: "Layer | Path | None"
) -> "Generator[Callable[[Fraction, Layer], Layer | None]]":
    """Give what tells the background of a frame, by its time."""
    if not isinstance(background, Path):
        fitted: list[Any] = []

        def picture(_time_s: Fraction, layer: "Layer") -> "Layer | None":
            # The same under each frame.
            if background is not None and not fitted:
                fitted.append(_opaque(params, background, layer))
            return fitted[0] if fitted else None

        yield picture
        return
    from studio_pipelines.media.looped_video import looped_video

    with looped_video(background, field="background") as film:

        def frame(time_s: Fraction, layer: "Layer") -> "Layer":
            pixels = film.frame_at(time_s)
            return _opaque(params, _layer_of_frame(pixels, film.format), layer)

        yield frame


def _opaque(params: VfxComposite, background: "Layer", like: "Layer") -> "Layer":
    """Return a background in the video's colours, over black where it is transparent.

    It is of the canvas's size, unless the canvas is of its.
    """
    import numpy as np

    from studio_pipelines.media.layer import converted
    from studio_pipelines.media.laying_over import Cutout, laid_over
    from studio_pipelines.media.placement import backdrop

    below = converted(background, like)
    if params.size == "foreground":
        below = backdrop(below, like.size, params.fit)
    if below.alpha is None:
        return below
    black = replace(below, codes=np.zeros_like(below.codes), alpha=None)
    codes, _ = laid_over(Cutout(below.codes, below.alpha), black, like.curves)
    return replace(black, codes=codes)
