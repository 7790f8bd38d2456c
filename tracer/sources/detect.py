"""What kind of input is this? Recognised by its content, never asked for."""

from __future__ import annotations

import re

from tracer.errors import EmptyInput, NotATrace
from tracer.sources.base import Source
from tracer.sources.open import Input, is_file

COMPLETE_LOG = "strace -f -tt -e trace=process,prctl,unshare,setns -o FILE COMMAND"
"""Leaves nothing out."""
READABLE = (
    "Readable are a log of `strace -f` (any options; also a -ff folder, gzip or zstd), and a recording of "
    f"`ctrace record`. A complete log: {COMPLETE_LOG}"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def open_source(paths: list[str]) -> Source:
    """The reader for these paths: one file, '-' for stdin, or the folder, the glob or the files of a `-ff` set.

    Raises UnreadableInput, EmptyInput or NotATrace.
    """
    from tracer.sources.strace.lines.style import looks_like_strace
    from tracer.sources.strace.sets.ff import open_set
    from tracer.sources.strace.sets.fileset import find_set
    from tracer.sources.strace.source import StraceSource

    files = find_set(paths)
    if len(files) > 1 or files[0].tid is not None:
        return open_set(paths, files)
    source = Input(files[0].path)
    sample = source.sample()
    recording = _recording(source, sample)
    if recording is not None:
        return recording
    if not sample:
        raise EmptyInput(f"{source.name} is empty", READABLE)
    summary = _SUMMARY.search(sample)  # what strace has told before it shows whether it is of -c or of -C
    told = sample if summary is None else sample[: summary.start()]
    if _LTRACE.search(sample) is not None or not looks_like_strace(told, calls=summary is not None):
        raise NotATrace(f"{source.name} is no trace; it begins with: {first_line(sample)}", _hint(sample))
    return StraceSource(source)


_LTRACE = re.compile(rb"(?m)^(?:\[pid +\d+\] |\d+ +)?(?:SYS_\w+\(|\+\+\+ exited \(status )|<no return \.\.\.>$")
_SUMMARY = re.compile(rb"(?m)^% time +seconds ")
_OTHERS = (
    (re.compile(rb"\A(?:\xff\xfe|\xfe\xff)"), "This is UTF-16, as PowerShell's > writes it: convert it to UTF-8."),
    (re.compile(rb"(?m)^ *\d+\.\d{3} \( *(?:\d+\.\d{3} ms)?\): "), "This is of perf trace, which has no parents."),
    (_LTRACE, "This is of ltrace, which does not say what a call created."),
    (_SUMMARY, "This is the summary of strace -c: leave out -c."),
    (re.compile(rb'\A\{"log":"'), "This is docker's own file: take what `docker logs` prints."),
)
"""What people take for a log."""


def _hint(sample: bytes) -> str:
    return " ".join([*(hint for sign, hint in _OTHERS if sign.search(sample) is not None), READABLE])


def apart(paths: list[str]) -> list[list[str]]:
    """Paths that are a trace each: several recordings. All others belong together, for open_source() to tell."""
    if len(paths) > 1 and "-" not in paths and all(_is_recording(path) for path in paths):
        return [[path] for path in paths]
    return [paths]


def _is_recording(path: str) -> bool:
    from tracer.sources.recording import MAGIC

    return is_file(path) and Input(path).sample().startswith(MAGIC)


def _recording(source: Input, sample: bytes) -> Source | None:
    from tracer.sources.recording import MAGIC, RecordingSource

    return RecordingSource(source.path) if sample.startswith(MAGIC) else None


def first_line(sample: bytes) -> str:
    """The first line that is not empty, short and without control characters."""
    line = next((line for line in sample.split(b"\n") if line.strip()), b"")
    if not line:
        return "empty lines"
    if b"\x00" in sample[:1024]:
        return "binary data"
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", line[:400].decode("utf-8", "replace"))
    return text if len(text) <= 80 else text[:79] + "…"
