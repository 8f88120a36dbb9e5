"""A video under another one: the frame that is shown at a time, from the start again at its end."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from fractions import Fraction

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.decoder import Decoder
from studio_pipelines.media.media_source import Source
from studio_pipelines.media.video import VideoFormat, VideoFrame, VideoPixels, VideoStream
from studio_pipelines.media.video_client import open_video


class LoopedVideo:
    """Walks through a video as often as is asked for; made by :func:`looped_video`."""

    def __init__(self, decoder: Decoder, source: Source, field: str) -> None:
        self._decoder, self._source, self._field = decoder, source, field
        self._opened = ExitStack()
        self._pixels: VideoPixels | None = None
        self._shown_until_s = Fraction(0)
        self._begin(Fraction(0))

    @property
    def format(self) -> VideoFormat:
        """What is known of the video."""
        return self._stream.format

    def frame_at(self, time_s: Fraction) -> VideoPixels:
        """Return the frame that is shown at a time, which must not go back.

        Raises:
            UnusableMedia: The video is damaged, or has no frame.
        """
        while self._pixels is None or time_s >= self._shown_until_s:
            frame = next(self._stream.frames, None)
            if frame is None:
                if self._pixels is None:
                    raise UnusableMedia("The video has no frame.", field=self._field)
                self._begin(self._shown_until_s)
                continue
            self._show(frame)
        return self._pixels

    def close(self) -> None:
        """End the walk."""
        self._opened.close()

    def _begin(self, at_s: Fraction) -> None:
        self._opened.close()
        self._opened = ExitStack()
        self._stream: VideoStream = self._opened.enter_context(
            open_video(self._decoder, self._source, field=self._field)
        )
        self._began_s, self._first_stamp = at_s, None

    def _show(self, frame: VideoFrame) -> None:
        told = self._stream.format
        if self._first_stamp is None:
            self._first_stamp = frame.time_stamp
        since_s = (frame.time_stamp - self._first_stamp) * told.time_base
        # Its slot is written anew once the next frame is asked for.
        self._pixels = frame.pixels.copy()
        self._shown_until_s = self._began_s + since_s + 1 / told.frame_rate


@contextmanager
def looped_video(source: Source, *, field: str) -> Generator[LoopedVideo]:
    """Open a video with a decoder of its own: that of the process is in use by the one above it.

    Args:
        source: The video.
        field: The request field to name in errors.

    Raises:
        StudioError: It cannot be used.
    """
    with Decoder() as decoder:
        walk = LoopedVideo(decoder, source, field)
        try:
            yield walk
        finally:
            walk.close()
