"""FFmpeg's names of the formats that it demuxes here; guessing them would try hundreds more."""

from studio_pipelines.media import sniff

DEMUXERS = {
    sniff.MP3: "mp3",
    sniff.AAC: "aac",
    sniff.OPUS: "ogg",
    sniff.M4A: "mov",
    sniff.MP4: "mov",
    sniff.QUICKTIME: "mov",
    sniff.WEBM: "matroska",
    sniff.MATROSKA: "matroska",
    sniff.AVI: "avi",
}
