"""Hostile files through the decoder, one after the other, and what came of each."""

import collections
from collections.abc import Iterable
from dataclasses import dataclass, field

from studio_pipelines.errors import StudioError
from studio_pipelines.media.decoder import Decoder
from studio_pipelines.media.layer import layer_of
from studio_pipelines.media.preview import thumbnail_png
from studio_pipelines.media.sniff import HEAD_BYTES, Media, sniff
from studio_pipelines.media.video_client import open_video

MOST_FRAMES = 40


@dataclass
class Outcomes:
    """What came of many files of one kind.

    Attributes:
        counts: How often each outcome was seen: ``decoded``, or the code of a refusal.
        crashes: Files upon which a helper ended, or was ended for being too slow.
        broken: Files that raised something else than a refusal, with what they raised.
    """

    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    crashes: list[bytes] = field(default_factory=list)
    broken: list[tuple[bytes, BaseException]] = field(default_factory=list)


def try_all(decoder: Decoder, files: Iterable[bytes]) -> Outcomes:
    """Read each file as what its first bytes say it is, as a job would."""
    outcomes = Outcomes()
    for data in files:
        decoder.warm()
        before = decoder.helper_pid
        try:
            outcomes.counts[_read(decoder, data)] += 1
        except StudioError as refusal:
            outcomes.counts[refusal.code] += 1
            if decoder.helper_pid != before:
                outcomes.crashes.append(data)
        except Exception as error:  # noqa: BLE001  what is looked for
            outcomes.broken.append((data, error))
    return outcomes


def _read(decoder: Decoder, data: bytes) -> str:
    media_type = sniff(data[:HEAD_BYTES])
    kind = media_type.kind if media_type else Media.IMAGE
    if kind is Media.LUT:
        decoder.lut(data)
    elif kind is Media.VIDEO:
        with open_video(decoder, data, most_frames=MOST_FRAMES) as stream:
            for _ in stream.frames:
                pass
        decoder.audio(data)
    elif kind is Media.AUDIO:
        decoder.audio(data)
    else:
        picture = decoder.picture(data)
        # What nearly every operation does with one: its profile, too, is the file's.
        thumbnail_png(picture, 32)
        layer_of(picture)
    return "decoded"
