"""Write a video of depth: 16-bit grey, without loss."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.video import VideoFormat


class DepthVideoWriter:
    """Takes the frames of a depth video one by one."""

    def __init__(self, output: Any, video: VideoFormat) -> None:
        self._output, self._video = output, video
        stream = output.add_stream("ffv1", rate=video.frame_rate, options={"level": "3"})
        stream.width, stream.height, stream.pix_fmt = video.width_px, video.height_px, "gray16le"
        stream.time_base = stream.codec_context.time_base = video.time_base
        self._stream = stream

    def write(self, codes: NDArray[np.uint16], time_stamp: int) -> None:
        """Encode a frame, (height, width); its values are copied."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(codes), format="gray16le")
        frame.pts, frame.time_base = time_stamp, self._video.time_base
        self._output.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Encode what the encoder still holds."""
        self._output.mux(self._stream.encode(None))


@contextmanager
def writing_depth_video(path: Path, video: VideoFormat) -> Generator[DepthVideoWriter]:
    """Write an FFV1 video in Matroska.

    Args:
        path: The file, created or overwritten; removed again when encoding fails.
        video: Size, time base and frame rate.

    Raises:
        OSError: The disk is full, read-only or fails.
    """
    try:
        with av.open(path, "w", format="matroska") as output:
            writer = DepthVideoWriter(output, video)
            yield writer
            writer.finish()
    except BaseException:
        path.unlink(missing_ok=True)
        raise
