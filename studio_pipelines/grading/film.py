"""Grade a video frame by frame, and lay out the results in a folder."""

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from studio_pipelines.grading.parameters import GradingApply
from studio_pipelines.grading.recipe import matte_of
from studio_pipelines.grading.still import Report, compared, cube_of
from studio_pipelines.kept_files import Made

if TYPE_CHECKING:
    from studio_pipelines.media.grade_recipe import GradeRecipe
    from studio_pipelines.media.picture import Picture
    from studio_pipelines.media.video import VideoFormat, VideoPixels
    from studio_pipelines.media.video_encode import VideoEncoding

SAMPLED = (0.125, 0.375, 0.625, 0.875)
"""Where in a video the frames are that stand for it, as shares of its length."""


def sample_frames(source: Path) -> "tuple[VideoFormat, Picture]":
    """Return what a video is, and a picture of four of its frames, two by two.

    A match and a network look at it, and previews and measurements are made of it.

    Raises:
        StudioError: The video cannot be used; ``field`` is ``video``.
    """
    import numpy as np

    from studio_pipelines.media.picture import Picture

    video, first = _one_frame(source, 0.0)
    length_s = video.duration_s or 0.0
    found = [_one_frame(source, share * length_s)[1] for share in SAMPLED] if length_s else []
    found += [first] * (len(SAMPLED) - len(found))
    upper, lower = (np.concatenate(found[at : at + 2], axis=1) for at in (0, 2))
    return video, Picture(np.concatenate([upper, lower]))


def _one_frame(source: Path, start_s: float) -> "tuple[VideoFormat, Any]":
    """Return a video's format, and a copy of the frame from which it can be decoded on."""
    from studio_pipelines.media.shared_decoder import shared_decoder
    from studio_pipelines.media.video_client import open_video

    with open_video(
        shared_decoder(), source, field="video", start_s=start_s, most_frames=1
    ) as stream:
        (pixels,) = [frame.pixels.copy() for frame in stream.frames]
        return stream.format, pixels


def grade_film(
    params: GradingApply,
    recipe: "GradeRecipe",
    source: Path,
    samples: "Picture",
    mask: "Picture | None",
    folder: Path,
    report: Report,
) -> Made:
    """Grade a video and write everything that was asked for.

    Its sound is copied. Memory does not grow with its length.

    Args:
        params: How to store it.
        recipe: The grade.
        source: The video.
        samples: From :func:`sample_frames`.
        mask: Where the grade acts, of the frames' size, or None.
        folder: Where the files go.
        report: Is told how far the work is.
    """
    from studio_pipelines.media.colour_difference import grade_verification
    from studio_pipelines.media.grade import compile_grade
    from studio_pipelines.media.shared_decoder import shared_decoder
    from studio_pipelines.media.video_client import join_sound
    from studio_pipelines.media.video_encode import VideoEncoding, encoded_frames

    encoding = VideoEncoding(params.codec, params.crf)
    silent, path = folder / "picture", folder / "graded"
    video, figures = _graded_picture(params, recipe, source, mask, silent, encoding, report)
    container, media_type = encoding.container_for(video.sound_codecs)
    report(0.95, "joining the sound")
    if video.sound_codecs:
        frames_stored = join_sound(shared_decoder(), source, silent, path, container)
        silent.unlink()
    else:
        path, frames_stored = silent, encoded_frames(silent)
    after = samples.with_pixels(compile_grade(recipe).apply(samples.pixels))
    cube, told = cube_of(params, recipe, folder)
    verification = {
        "passed": frames_stored == figures["frames"],
        "framesStored": frames_stored,
        **grade_verification(samples.pixels, after.pixels),
        **told,
    }
    files = {"video": (path, media_type.mime)} | cube
    files |= compared(params, samples, after, None, folder)
    return Made(files=files, metrics=figures, verification=verification, notes=())


def _graded_picture(
    params: GradingApply,
    recipe: "GradeRecipe",
    source: Path,
    mask: "Picture | None",
    target: Path,
    encoding: "VideoEncoding",
    report: Report,
) -> "tuple[VideoFormat, dict[str, Any]]":
    import numpy as np

    from studio_pipelines.media.grade import compile_grade
    from studio_pipelines.media.picture import Picture
    from studio_pipelines.media.shared_decoder import shared_decoder
    from studio_pipelines.media.video import VideoFrame
    from studio_pipelines.media.video_client import open_video
    from studio_pipelines.media.video_encode import writing_video

    grade, grade_s = compile_grade(recipe), 0.0
    with (
        open_video(shared_decoder(), source, field="video") as stream,
        writing_video(target, encoding, stream.format) as writer,
    ):
        told = stream.format
        shape = (told.height_px, told.width_px, 3)
        out: VideoPixels = np.empty(shape, np.uint16) if told.deep else np.empty(shape, np.uint8)
        for frame in stream.frames:
            matte = matte_of(params, mask, Picture(frame.pixels))
            started_s = perf_counter()
            grade.apply(frame.pixels, mask=matte, out=out, dither=params.dither)
            grade_s += perf_counter() - started_s
            writer.write(VideoFrame(out, frame.time_stamp))
            done = writer.frames / max(told.frames_stated or 0, writer.frames)
            report(0.2 + 0.75 * done, "grading")
    return stream.format, _figures(writer.frames, out, grade_s)


def _figures(frames: int, out: "VideoPixels", grade_s: float) -> dict[str, Any]:
    return {
        "frames": frames,
        "megapixels": round(frames * out.shape[0] * out.shape[1] / 1e6, 3),
        "lutMs": round(1000 * grade_s, 3),
        "bitDepth": 8 * out.itemsize,
    }
