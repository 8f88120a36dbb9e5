"""Write what was made of a video, as its frames come."""

import zipfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from studio_pipelines.compositing.cutting import Cut
from studio_pipelines.compositing.parameters import Output, VfxComposite
from studio_pipelines.kept_files import Files
from studio_pipelines.media.sniff import MP4, PNG, QUICKTIME, ZIP

if TYPE_CHECKING:
    from studio_pipelines.media.video import VideoFormat
    from studio_pipelines.media.video_encode import VideoWriter

_NAMES = {
    "composite": "composite",
    "prores4444": "cutout.mov",
    "foreground": "fill.mp4",
    "alpha": "key.mp4",
    "frames": "frames.zip",
}
_WITH_SOUND = ("composite", "prores4444")


class FilmResults:
    """The files of a video's results, a context in which frames are taken one by one.

    Attributes:
        frames: How many were taken.
        notes: Plain sentences for the person.
    """

    def __init__(
        self,
        params: VfxComposite,
        outputs: tuple[Output, ...],
        told: "VideoFormat",
        folder: Path,
    ) -> None:
        self.frames = 0
        self.notes: tuple[str, ...] = ()
        self._params, self._outputs, self._told, self._folder = params, outputs, told, folder
        self._opened = ExitStack()
        self._writers: dict[str, VideoWriter] = {}
        self._archive: zipfile.ZipFile | None = None
        self._joined_frames: dict[str, int] = {}
        self._measured: list[dict[str, Any]] = []
        self._size = (told.height_px, told.width_px)
        self._bits = 16 if told.deep else 8

    def __enter__(self) -> "FilmResults":
        self._opened.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return self._opened.__exit__(kind, error, trace)

    def take(self, cut: Cut, time_stamp: int) -> None:
        """Write a frame to each of the results."""
        import numpy as np

        from studio_pipelines.media.layer import rounded_to_bytes
        from studio_pipelines.media.laying_over import laid_over
        from studio_pipelines.media.video import VideoFrame

        if not self.frames:
            self._begin(cut)
        self.frames += 1
        codes, alpha = cut.cutout.codes, cut.cutout.alpha
        pictures: dict[str, Any] = {}
        if "composite" in self._outputs and cut.background is not None:
            wrap = self._params.light_wrap
            pictures["composite"], _ = laid_over(cut.cutout, cut.background, cut.curves, wrap)
        if "foreground" in self._outputs:
            pictures["foreground"] = codes
        if "alpha" in self._outputs:
            key = alpha if self._told.deep else rounded_to_bytes(alpha)
            pictures["alpha"] = np.repeat(key[..., None], 3, axis=-1)
        shown = cut.layer.as_picture(codes, alpha)
        if "prores4444" in self._outputs:
            pictures["prores4444"] = shown.pixels
        for name, pixels in pictures.items():
            self._writers[name].write(VideoFrame(pixels, time_stamp))
        self._keep_frame(shown)
        if self.frames == 1:
            self._write_preview(cut, pictures.get("composite"))
        self._measured.append(self._figures_of(cut))

    def joined(self, source: Path) -> Files:
        """Copy the video's sound to what has one; return the files, the main one first."""
        from studio_pipelines.media.shared_decoder import shared_decoder
        from studio_pipelines.media.video_client import join_sound
        from studio_pipelines.media.video_encode import VideoEncoding

        files: Files = {}
        types = {"prores4444": QUICKTIME, "foreground": MP4, "alpha": MP4, "frames": ZIP}
        for name in self._outputs:
            path, media_type = self._folder / _NAMES[name], types.get(name)
            if name in _WITH_SOUND:
                codec = "h264" if name == "composite" else "prores4444"
                container, media_type = VideoEncoding(codec).container_for(self._told.sound_codecs)
                if self._told.sound_codecs:
                    silent = path.rename(self._folder / "silent")
                    joined = join_sound(shared_decoder(), source, silent, path, container)
                    self._joined_frames[name] = joined
                    silent.unlink()
            assert media_type is not None
            files[name] = (path, media_type.mime)
        files["preview"] = (self._folder / "before-after.png", PNG.mime)
        return files

    def figures(self) -> dict[str, Any]:
        """Return what was done."""
        height, width = self._size
        return {
            "frames": self.frames,
            "megapixels": round(self.frames * height * width / 1e6, 3),
            "bitDepth": self._bits,
        }

    def verification(self, files: Files) -> dict[str, Any]:
        """Return what was measured of the mattes, over all frames, and the frames in the file."""
        stored = self._frames_stored(files)
        seen = self._measured
        subject = sum(one["subjectShare"] for one in seen) / len(seen)
        return {
            "passed": stored == self.frames and any(one["passed"] for one in seen),
            "framesStored": stored,
            "framesWithSubject": sum(one["passed"] for one in seen),
            "alphaMin": min(one["alphaMin"] for one in seen),
            "alphaMax": max(one["alphaMax"] for one in seen),
            "subjectShare": round(subject, 6),
            "unsureShare": round(sum(one["unsureShare"] for one in seen) / len(seen), 6),
            "spillLeft": _mean([one["spillLeft"] for one in seen]),
        }

    def _frames_stored(self, files: Files) -> int:
        """Count the frames in the first video that there is."""
        from studio_pipelines.media.video_encode import encoded_frames

        videos = [name for name in self._outputs if name != "frames"]
        if not videos:
            return self.frames
        joined = self._joined_frames.get(videos[0])
        return encoded_frames(files[videos[0]][0]) if joined is None else joined

    def _begin(self, cut: Cut) -> None:
        """Open the files, now that the canvas is known."""
        from studio_pipelines.media.video_encode import VideoEncoding, writing_video

        self._size = (cut.cutout.alpha.shape[0], cut.cutout.alpha.shape[1])
        self.notes = cut.notes
        told = replace(self._told, height_px=self._size[0], width_px=self._size[1])
        for name in self._outputs:
            path = self._folder / _NAMES[name]
            if name == "frames":
                archive = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)
                self._archive = self._opened.enter_context(archive)
                continue
            codec = "prores4444" if name == "prores4444" else "h264"
            encoding = VideoEncoding(codec, self._params.crf)
            self._writers[name] = self._opened.enter_context(writing_video(path, encoding, told))

    def _keep_frame(self, shown: Any) -> None:
        from studio_pipelines.media.image_encode import encode_picture

        if self._archive is None:
            return
        path = self._folder / "frame.png"
        encode_picture(shown, path)
        self._archive.write(path, f"frame-{self.frames:06d}.png")

    def _write_preview(self, cut: Cut, composite: Any) -> None:
        from studio_pipelines.compositing.results import compared

        after = cut.layer.as_picture(cut.cutout.codes, cut.cutout.alpha)
        if composite is not None:
            after = cut.layer.as_picture(composite)
        (self._folder / "before-after.png").write_bytes(compared(cut.layer, after))

    def _figures_of(self, cut: Cut) -> dict[str, Any]:
        told = cut.verification()
        wanted = ("passed", "alphaMin", "alphaMax", "subjectShare", "unsureShare", "spillLeft")
        return {name: told[name] for name in wanted}


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 6) if known else None
