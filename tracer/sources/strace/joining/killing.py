"""Who will end soon: `kill(PID, SIGKILL) = 0`, and a call that ends with `= ?`.

That is what strace prints of a call whose task is being killed inside (print_event_exit() in its src/strace.c); an exit
call has a meaning of its own.
"""

from __future__ import annotations

import re

from tracer.event import SIGKILL
from tracer.sources.strace.joining.state import UNFINISHED, Handler, Handlers, State, halves
from tracer.sources.strace.lines import calls
from tracer.sources.strace.lines.grammar import result
from tracer.sources.strace.records import KILLED

_NUMBER = rb"(?:\w+=)?(\w{1,18})(?:<[^,\n]*>)?(?: /\* (\d{1,18}) in strace's PID NS \*/)?"
_TO_WHOM = re.compile(_NUMBER + rb", (?:\w+=)?(\w+)")


class Killing:
    """Reads kill."""

    def __init__(self, state: State) -> None:
        self._state = state

    def _start(self, name: str) -> Handler:
        state = self._state

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            state.saw(at, time, tid)
            if rest[-16:] == UNFINISHED:
                state.pending[tid] = (name, rest[:-16], at, None, None)
            else:
                self._sent(at, time, tid, rest)

        return handle

    def _resumed(self, name: str) -> Handler:
        state = self._state

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            start = state.pending.pop(tid, None)
            self._sent(at, time, tid, (start[1] if start is not None and start[0] == name else b"") + rest)

        return handle

    def _sent(self, at: int, time: bytes, tid: int, text: bytes) -> None:
        returned = result(text)
        if returned is not None and returned.open:
            self._state.dying(at, time, tid)
        sent = _TO_WHOM.match(text)
        if returned is None or returned.value != 0 or sent is None or calls.signal_value(sent[3]) != SIGKILL:
            return
        number = calls.number(sent[1])
        if number is not None and number > 1:  # an init is safe from its own (sig_task_ignored() in kernel/signal.c)
            self._state.records.append((KILLED, at, self._state.time_of(time), tid, number, int(sent[2] or 0)))

    def handlers(self) -> Handlers:
        """For the lines of these calls."""
        return halves(("kill",), self._start, self._resumed)
