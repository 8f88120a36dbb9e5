"""Decode untrusted media in a warm helper process and hand out pixels and samples uncopied."""

import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from studio_pipelines.errors import MediaTooLarge, StudioError
from studio_pipelines.media import decoder_messages
from studio_pipelines.media.audio import AudioClip
from studio_pipelines.media.carrier import Carrier
from studio_pipelines.media.decoded import Decoded, clip_of, lut_of, picture_of
from studio_pipelines.media.decoder_child import DecoderChild, HelperEnded, Refused, stopped
from studio_pipelines.media.decoder_messages import Message
from studio_pipelines.media.limits import MediaLimits, media_limits
from studio_pipelines.media.lut_table import Lut
from studio_pipelines.media.media_source import Source, accepted_type, opened
from studio_pipelines.media.picture import Picture
from studio_pipelines.media.sniff import Media

_DTYPES = frozenset(("uint8", "uint16", "float32"))


class Decoder:
    """Decodes pictures, sounds and LUT files; the parsing happens in a helper process.

    The helper starts with the first request (or :meth:`warm`), serves any number of them, and is
    replaced when a file crashes it, outgrows its limits or takes too long: only that request fails.
    It dies with the process that owns it. Threads may share a decoder; their requests take turns.
    After a fork the child's decoder starts a helper of its own.
    """

    def __init__(
        self, *, limits: MediaLimits | None = None, scratch_dir: Path | None = None
    ) -> None:
        """Make a decoder; nothing is started yet.

        Args:
            limits: The bounds for all requests, the deployment's by default; they fix the helper's
                memory and output size.
            scratch_dir: Where decoded data beyond ``limits.in_memory_bytes`` go, in unlinked files;
                the system's temporary folder by default.
        """
        self._limits = limits or media_limits()
        self._scratch_dir = scratch_dir or Path(gettempdir())
        self._start_over()

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def helper_pid(self) -> int | None:
        """Process id of the running helper, or None."""
        return self._child.pid if self._child is not None and self._child.idle else None

    def warm(self) -> None:
        """Start the helper if it does not run, so that the first request is as fast as the next."""
        with self._turn():
            self._running_child()

    def close(self) -> None:
        """End the helper. A later request starts another."""
        with self._turn():
            self._end_child()

    def picture(
        self, source: Source, *, field: str | None = None, limits: MediaLimits | None = None
    ) -> Picture:
        """Decode a picture, upright, in the file's own code values.

        Args:
            source: JPEG, PNG, WebP, TIFF, HEIC, AVIF or OpenEXR; told by its content.
            field: The request field to name in errors.
            limits: Bounds for this picture instead of the decoder's.

        Returns:
            The picture; its pixels are shared memory, writable and private to this process.

        Raises:
            UnsupportedMedia: The file is not a picture of an accepted kind.
            UnusableMedia: It is empty, cut off or damaged.
            MediaTooLarge: It exceeds a limit.
        """
        return picture_of(self._decode(source, Media.IMAGE, field, limits or self._limits))

    def audio(
        self, source: Source, *, field: str | None = None, limits: MediaLimits | None = None
    ) -> AudioClip:
        """Decode a sound, or the sound of a video, at its own sampling frequency.

        Args:
            source: WAV, RF64, FLAC, AIFF, Ogg, Opus, MP3, M4A, AAC, or a video with sound.
            field: The request field to name in errors.
            limits: Bounds for this sound instead of the decoder's.

        Returns:
            The sound; its samples are shared memory, writable, private to this process.

        Raises:
            UnsupportedMedia: The file is not a sound of an accepted kind.
            UnusableMedia: It is empty, cut off, damaged, or a video without sound.
            MediaTooLarge: It exceeds a limit.
        """
        return clip_of(self._decode(source, Media.AUDIO, field, limits or self._limits))

    def lut(self, source: Source, *, field: str | None = None) -> Lut:
        """Read a look-up table; its values are shared memory, private to this process.

        Args:
            source: A .cube, .3dl or .csp file; told by its content.
            field: The request field to name in errors.

        Raises:
            UnsupportedMedia: The file is of another kind.
            UnusableMedia: It is empty, or breaks its format.
            MediaTooLarge: It exceeds a limit.
        """
        return lut_of(self._decode(source, Media.LUT, field, self._limits))

    @contextmanager
    def conversation(self) -> Generator[tuple[DecoderChild, MediaLimits]]:
        """Give the running helper, and the decoder's limits, for an exchange of many messages.

        Until the block ends no other request is served. Whoever leaves it by an error that is not
        the helper's own refusal has left the helper in the middle, and it is ended.

        Raises:
            UnusableMedia: The helper ended in the middle.
            MediaTooLarge: It did not answer in time.
        """
        with self._turn():
            try:
                with self._in_step(self._limits) as child:
                    yield child, self._limits
            except HelperEnded:
                raise stopped() from None

    def _decode(
        self, source: Source, wanted: Media, field: str | None, limits: MediaLimits
    ) -> Decoded:
        try:
            with opened(source) as fd, self._turn():
                media_type = accepted_type(fd, wanted)
                request: Message = {"want": wanted.value, "limits": asdict(limits)}
                array, details = self._exchange(request, fd, limits)
                return Decoded(array, details, media_type.mime)
        except StudioError as error:
            error.field = error.field or field
            raise

    def _exchange(self, request: Message, fd: int, limits: MediaLimits) -> tuple[Any, Message]:
        """Have the helper decode one file.

        A helper that ends while it works has been killed by the file, unless it had served others
        before: then those may have worn it out, or the kernel needed memory, and a fresh one tries.
        """
        if self._running_child().has_served:
            with suppress(HelperEnded):
                return self._attempt(request, fd, limits)
        try:
            return self._attempt(request, fd, limits)
        except HelperEnded:
            raise stopped() from None

    def _attempt(self, request: Message, fd: int, limits: MediaLimits) -> tuple[Any, Message]:
        """Ask the helper once, and end it unless it stays in step."""
        with self._in_step(limits) as child:
            return self._converse(child, request, fd, limits)

    @contextmanager
    def _in_step(self, limits: MediaLimits) -> Generator[DecoderChild]:
        """Give the running helper; it is ended unless it answers to the end, or refuses."""
        child = self._running_child()
        try:
            yield child
        except Refused as refused:
            child.has_served = True
            raise refused.error from None
        except TimeoutError:
            self._end_child()
            raise MediaTooLarge(
                f"The file took longer than {limits.decode_timeout_s:g} s to decode.",
                hint="Send a smaller file, or one in a simpler format.",
            ) from None
        except (EOFError, ConnectionError):
            child.log_end()
            self._end_child()
            raise HelperEnded from None
        except BaseException:  # an interrupt: a late answer would be taken for the next request's
            self._end_child()
            raise

    def _converse(
        self, child: DecoderChild, request: Message, fd: int, limits: MediaLimits
    ) -> tuple[Any, Message]:
        deadline = time.monotonic() + limits.decode_timeout_s
        child.connection.settimeout(limits.decode_timeout_s)
        decoder_messages.send(child.connection, request, fd)
        plan = child.answer(deadline)
        with Carrier(
            expected_bytes=int(plan["expected_bytes"]),
            in_memory_bytes=limits.in_memory_bytes,
            scratch_dir=self._scratch_dir,
        ) as carrier:
            decoder_messages.send(child.connection, {}, carrier.fd)
            details = child.answer(deadline)
            if not carrier.seal():
                self._end_child()
            shape = tuple(int(length) for length in details["shape"])
            array = carrier.map(shape, details["dtype"]) if details["dtype"] in _DTYPES else None
        if array is None:
            raise EOFError
        child.has_served = True
        return array, details

    def _running_child(self) -> DecoderChild:
        if self._child is not None and not self._child.idle:
            self._end_child()
        if self._child is None:
            self._child = DecoderChild(self._limits)
        return self._child

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None

    @contextmanager
    def _turn(self) -> Generator[None]:
        if self._pid != os.getpid():  # forked: the helper and the lock belong to the parent
            if self._child is not None:
                self._child.abandon()
            self._start_over()
        with self._lock:
            yield

    def _start_over(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._child: DecoderChild | None = None
