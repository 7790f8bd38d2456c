"""Reading the logs of strace 4.x to 7.x, in every form that its options give them.

bytes -> `lines` (rows) -> `joining` (records) -> `ordering` (events). `reading` runs the first two steps, by way of
`fast` where that knows a shorter one; `worker` does so in a process of its own, `sparse` with several hands, where that
pays. `source` is a log in one file, `sets` are those of `-ff`.
"""

from tracer.sources.strace.lines.style import looks_like_strace
from tracer.sources.strace.source import StraceSource

__all__ = ["StraceSource", "looks_like_strace"]
