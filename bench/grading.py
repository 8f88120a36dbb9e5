"""What a whole grade takes: the neural one of a 12-megapixel photo, and 1080p video.

Run: ``python -m bench.grading``. Writes ``bench/results/grading.json``. The photo is the sample
``tower.jpg``, darkened and enlarged; the video is synthetic, H.264. Its frames are decoded in the
helper and graded, as a job does both at once, and not encoded; the peer is FFmpeg's own decoder
with its ``lut3d`` filter, in one process, on as many threads.
"""

import json
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
from PIL import Image

from bench.record import conditions, write_record
from studio_pipelines.media.decoder import Decoder
from studio_pipelines.media.grade import compile_grade
from studio_pipelines.media.grade_recipe import GradeRecipe
from studio_pipelines.media.image_encode import encode_picture
from studio_pipelines.media.lut import apply_lut
from studio_pipelines.media.lut_fit import fit_lut
from studio_pipelines.media.lut_formats import parse_cube
from studio_pipelines.media.picture import Picture
from studio_pipelines.media.sampled_codes import shrunk_codes
from studio_pipelines.media.video import VideoColour, VideoFormat, VideoFrame
from studio_pipelines.media.video_client import open_video
from studio_pipelines.media.video_encode import VideoEncoding, writing_video
from studio_pipelines.model_shelf import model_shelf
from studio_pipelines.models.maxim import SIDE_PX, Maxim
from studio_pipelines.settings import load_settings

ROOT = Path(__file__).parent
SAMPLES = ROOT.parent / "samples"
PHOTO_PX = (4243, 2829)
FRAMES, ROUNDS = 150, 3


def seconds(work: Any) -> tuple[float, Any]:
    """Return how long a call took, and what it returned."""
    started_s = time.perf_counter()
    result = work()
    return time.perf_counter() - started_s, result


def auto_grade(folder: Path) -> dict[str, float]:
    """Time each step of the neural grade of a photo, and measure the LUT against the network."""
    with Image.open(SAMPLES / "tower.jpg") as small:
        dark = small.convert("RGB").resize(PHOTO_PX).point(lambda value: value * 0.55)
    dark.save(folder / "photo.jpg", quality=92)
    network = Maxim(model_shelf(load_settings()).choose("grading-engine").folder)
    with Decoder() as decoder:
        decoder.warm()
        decode_s, photo = seconds(lambda: decoder.picture(folder / "photo.jpg"))
    shrink_s, before = seconds(lambda: shrunk_codes(photo, SIDE_PX))
    network_s, after = seconds(lambda: network.retouch(before))
    pairs = [each.reshape(-1, 3).astype(np.float64) for each in (before, after)]
    fit_s, lut = seconds(lambda: fit_lut(*pairs))
    apply_s, graded = seconds(lambda: compile_grade(GradeRecipe(base=lut)).apply(photo.pixels))
    picture = Picture(graded)
    encode_s, _ = seconds(lambda: encode_picture(picture, folder / "out", format="jpeg"))
    steps = [decode_s, shrink_s, network_s, fit_s, apply_s, encode_s]
    return {
        "megapixels": PHOTO_PX[0] * PHOTO_PX[1] / 1e6,
        "decodeS": decode_s,
        "shrinkS": shrink_s,
        "networkS": network_s,
        "fitS": fit_s,
        "applyS": apply_s,
        "encodeS": encode_s,
        "allS": sum(steps),
        "lutToNetworkMeanError": float(np.abs(apply_lut(before, lut) - after).mean()),
    }


def make_video(path: Path) -> None:
    """Write a moving gradient with noise, 1080p."""
    told = VideoFormat(
        width_px=1920,
        height_px=1080,
        deep=False,
        time_base=Fraction(1, 25),
        frame_rate=Fraction(25),
        frames_stated=FRAMES,
        pixel_aspect=Fraction(1),
        colour=VideoColour(1, 1, 1),
        sound_codecs=(),
    )
    x, y = np.linspace(0, 1, 1920)[None, :], np.linspace(0, 1, 1080)[:, None]
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 3, (1080, 1920, 3))
    with writing_video(path, VideoEncoding(crf=23, preset="ultrafast"), told) as writer:
        for k in range(FRAMES):
            light = np.stack([x + 0 * y, 0 * x + y, 0.5 + 0.4 * np.sin(6 * (x + y) + k / 9)], -1)
            noisy = np.clip(255 * light + np.roll(grain, 7 * k, axis=1), 0, 255)
            writer.write(VideoFrame(np.ascontiguousarray(noisy.astype(np.uint8)), k))


def graded_frames(path: Path) -> float:
    """Decode in the helper and grade, frame by frame; return frames a second."""
    lut = parse_cube((SAMPLES / "warm_dusk.cube").read_bytes())
    grade = compile_grade(GradeRecipe(lut=lut))
    with Decoder() as decoder:
        decoder.warm()
        started_s = time.perf_counter()
        with open_video(decoder, path) as stream:
            out = np.empty((1080, 1920, 3), np.uint8)
            count = sum(grade.apply(frame.pixels, out=out) is out for frame in stream.frames)
        return count / (time.perf_counter() - started_s)


def lut_alone() -> float:
    """Return how many frames a second the LUT alone does."""
    lut = parse_cube((SAMPLES / "warm_dusk.cube").read_bytes())
    grade = compile_grade(GradeRecipe(lut=lut))
    frame = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
    out = np.empty_like(frame)
    taken_s, _ = seconds(lambda: [grade.apply(frame, out=out) for _ in range(FRAMES)])
    return FRAMES / taken_s


def ffmpeg_frames(path: Path) -> float:
    """Return FFmpeg's frames a second: decoding and ``lut3d``, in one process."""
    graph = av.filter.Graph()
    started_s = time.perf_counter()
    count = 0
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        source = graph.add_buffer(template=stream)
        lut3d = graph.add("lut3d", f"file={SAMPLES / 'warm_dusk.cube'}:interp=tetrahedral")
        sink = graph.add("buffersink")
        source.link_to(lut3d)
        lut3d.link_to(sink)
        graph.configure()
        for frame in container.decode(stream):
            graph.push(frame)
            graph.pull()
            count += 1
    return count / (time.perf_counter() - started_s)


def main() -> None:
    """Measure everything, print and write the results."""
    with tempfile.TemporaryDirectory() as name:
        folder, before = Path(name), conditions()
        make_video(folder / "video.mp4")
        ours = [graded_frames(folder / "video.mp4") for _ in range(ROUNDS)]
        peer = [ffmpeg_frames(folder / "video.mp4") for _ in range(ROUNDS)]
        report = {
            "machine": before,
            "auto": auto_grade(folder),
            "video": {
                "framesPerSecondWithoutEncoding": float(np.median(ours)),
                "framesPerSecondOfFFmpegLut3d": float(np.median(peer)),
                "ratioToFFmpeg": float(np.median(ours) / np.median(peer)),
                "framesPerSecondOfTheLutAlone": lut_alone(),
            },
        }
    print(json.dumps(report, indent=2))
    write_record("grading", report)


if __name__ == "__main__":
    main()
