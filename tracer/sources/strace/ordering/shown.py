"""What the log tells and what it leaves out, as far as it has been read."""

from __future__ import annotations

_ENTERING = ("unshare", "setns")
_CREATING = ("clone", "clone3", "fork", "vfork")


class Shown:
    """Its habits: what no line says of itself, and what can be concluded from a line that is not there."""

    def __init__(self, late_calls: bool, ends: bool) -> None:
        self.late_calls = late_calls
        """A call is told when it has returned (strace -z): a task may be its child that appeared before."""
        self.ends = ends
        """The log tells of ordinary ends (no -qq), so a number that was not seen to end is in use."""
        self.entering = False
        """The log has calls of unshare or setns, so one that enters a pid namespace is not missed."""
        self.leaving = False
        """The log has calls of exit_group, so a task that calls it does not end without a word."""
        self.creating: set[str] = set()
        """The calls that create tasks which the log has shown."""
        self.from_start = False
        """The log begins with the program that strace has started."""
        self.whole = False
        """It does, and so far says who created each task."""

    def has_calls(self, calls: set[str]) -> None:
        """The log has these calls."""
        if not calls.isdisjoint(_ENTERING):
            self.entering = True
        if "exit_group" in calls:
            self.leaving = True
        self.creating |= calls.intersection(_CREATING)
