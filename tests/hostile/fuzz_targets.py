"""Coverage-guided fuzzing with atheris: `python -m tests.hostile.fuzz_targets TARGET [libFuzzer options] [CORPUS...]`.

Needs `pip install atheris` (not a dependency of the tests). Targets: grammar (one line), joiner (lines to records),
replay (a log to a graph), recording (a recording to a graph). Seeds: tests/hostile/corpus/TARGET. Whatever is found
becomes a test with its bytes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

with atheris.instrument_imports(include=["tracer"]):
    # These are imported late: what is imported outside of this block tells the fuzzer nothing of where it has been.
    import tracer.reconstruct
    import tracer.sources.detect
    import tracer.sources.recording
    import tracer.sources.strace.sets.ff  # noqa: F401
    from tests.hostile.invariants import check_graph
    from tracer import replay
    from tracer.errors import CtraceError
    from tracer.sources.strace.joining.joiner import Joiner
    from tracer.sources.strace.lines.cleaning import clean
    from tracer.sources.strace.lines.grammar import result, split
    from tracer.sources.strace.lines.style import find_style, looks_like_strace
    from tracer.sources.strace.ordering.orderer import Orderer

CORPUS = Path(__file__).parent / "corpus"


def grammar(data: bytes) -> None:
    """Every function that looks at one line."""
    looks_like_strace(data)
    style = find_style(data)
    clean(data, style.junk)
    for line in data.split(b"\n"):
        _, _, _, rest = split(line)
        result(rest)


def joiner(data: bytes) -> None:
    """Lines to records to events, without files."""
    style = find_style(data)
    lines = Joiner(style)
    rows = style.rows.findall(clean(data, style.junk) + b"\n")
    lines.feed(range(1, len(rows) + 1), rows)
    lines.finish()
    orderer = Orderer(style.prefixed or style.bracketed)
    orderer.programs.update(lines.programs.new)
    orderer.feed(lines.records)
    orderer.finish()
    orderer.out.take()


_file = tempfile.NamedTemporaryFile(prefix="ctrace-atheris-")  # noqa: SIM115


def whole(data: bytes) -> None:
    """A file of any kind to a graph that does not contradict itself."""
    _file.seek(0)
    _file.truncate()
    _file.write(data)
    _file.flush()
    try:
        graph = replay(_file.name)
    except CtraceError:
        return
    check_graph(graph)


def recording(data: bytes) -> None:
    """Lines behind a recording's header."""
    whole(b'{"schema":"ctrace.recording/1","clock":"boot"}\n' + data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "grammar": grammar,
    "joiner": joiner,
    "replay": whole,
    "recording": recording,
}


def main() -> None:
    """Run until libFuzzer ends (-max_total_time, -runs) or something is found."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python -m tests.hostile.fuzz_targets {'|'.join(TARGETS)} [options] [corpus]")
    target = sys.argv.pop(1)
    if not any(not a.startswith("-") for a in sys.argv[1:]):
        sys.argv.append(str(CORPUS / target))
    atheris.Setup(sys.argv, TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
