"""Reading the logs of strace 4.x to 7.x, in every form that its options give them.

bytes -> `lines` -> `grammar` (rows) -> `joining` (records) -> `ordering` (events); `pidns` translates numbers,
`prefilter` skips what cannot matter, `ff` puts the files of a `-ff` set together, `reading` runs the first steps,
where that pays in a process of its own.
"""

from tracer.sources.strace.grammar import looks_like_strace
from tracer.sources.strace.source import StraceSource

__all__ = ["StraceSource", "looks_like_strace"]
