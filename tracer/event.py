"""What every source yields: one event for each thing that changes the tree, in the order of the kernel.

Fields that all events share, and always first:

at    where: the line number in a log (1-based), the record number in a recording or a live stream
time  when, in ns, by the clock that the source names (`SourceInfo.clock`), or None
tid   the task that did it, as the tracer's pid namespace numbers it

A source promises: a task's Clone (or Attach, or Snapshot) comes before every other event of that task, and a
number is used again only after its Exit. This module imports nothing of the project.
"""

from __future__ import annotations

from typing import NamedTuple, get_args

# include/uapi/linux/sched.h
CLONE_VM = 0x00000100
CLONE_VFORK = 0x00004000
CLONE_PARENT = 0x00008000
CLONE_THREAD = 0x00010000
CLONE_UNTRACED = 0x00800000
CLONE_NEWPID = 0x20000000

UNTRACED = "it was created with CLONE_UNTRACED: what it did since, its end included, is not in the trace"
"""Clone.matched where the tracer does not follow the child."""

SIGKILL = 9
SIGCHLD = 17


class Clone(NamedTuple):
    """A task was created by clone, clone3, fork or vfork. `tid` is the creator; `at` is where the call began."""

    at: int
    time: int | None
    tid: int
    child: int
    flags: int
    """CLONE_* bits, without the exit signal in the low byte."""
    exit_signal: int
    ns_child: int = 0
    """The number that the creator got back where it differs from `child` (another pid namespace); else 0."""
    matched: str = ""
    """Why `child` is thought to be the one, where the trace did not say so (then the birth is inferred); else ''."""
    start_time: int = 0
    """Live: task->start_boottime in ns; else 0."""
    ns_pids: tuple[int, ...] = ()
    """Live: the child's numbers in nested pid namespaces, outermost first, the tracer's own left out."""
    cgroup: int = 0
    """Live: cgroup id; else 0."""
    parent: int = 0
    """Live: tgid of the child's real_parent as the kernel set it at birth; else 0 (derive it)."""
    guessed: bool = False
    """With `matched`: nothing else says what `child` is, so whatever is built on it is a guess, too."""
    end: int = 0
    """Where a call with CLONE_PARENT returned, if other lines lie between: the creator's own parent may have ended
    there before the child was born. Else 0."""


class Exec(NamedTuple):
    """A successful execve or execveat. `tid` is the thread group's leader, which the caller has become."""

    at: int
    time: int | None
    tid: int
    old_tid: int
    """The number that the calling thread had before; equal to `tid` unless another thread than the leader called."""
    filename: str
    argv: tuple[str, ...]
    argv_cut: bool
    """Some argument, or the end of the list, was left out by the tracer."""


class ExitBegin(NamedTuple):
    """A task called exit (`group` false) or exit_group (true). It is not dead yet."""

    at: int
    time: int | None
    tid: int
    code: int
    group: bool


class Exit(NamedTuple):
    """A task died. Its children have moved when the next event comes."""

    at: int
    time: int | None
    tid: int
    status: int | None
    """The number that wait(2) would fill in (identity.wait_status), None where the trace did not say."""


class Killed(NamedTuple):
    """The task is about to die, if it has not already: SIGKILL was sent to its process, or it is being killed inside a
    call. An Exit tells when it has."""

    at: int
    time: int | None
    tid: int
    group: bool
    """SIGKILL: its whole process will end."""


class Reap(NamedTuple):
    """A wait call of `tid` returned `child`, which had ended: it is gone now.

    `tid` 0: whose call it was is known, but that it meant this child is a guess (numbers of another pid namespace).
    """

    at: int
    time: int | None
    tid: int
    child: int
    status: int | None


class ChildSignal(NamedTuple):
    """`tid` got a signal that tells of its child's end (SIGCHLD, or another exit_signal): evidence of the parent."""

    at: int
    time: int | None
    tid: int
    child: int
    """Number in the receiver's pid namespace."""


class SetSubreaper(NamedTuple):
    """prctl(PR_SET_CHILD_SUBREAPER) succeeded, or has begun."""

    at: int
    time: int | None
    tid: int
    on: bool
    sure: bool = True
    """Each end that is told from here on came after it. False: it may have come before, until a SubreaperSettled."""
    returned: bool = True
    """False: the call has begun (`sure` is false, too). If the task is killed inside, more will never be known."""


class SubreaperSettled(NamedTuple):
    """Each end that is told from here on came after what `tid` did by SetSubreaper."""

    at: int
    time: int | None
    tid: int


class SetPdeathsig(NamedTuple):
    """prctl(PR_SET_PDEATHSIG) succeeded; 0 clears."""

    at: int
    time: int | None
    tid: int
    signal: int


class Rename(NamedTuple):
    """prctl(PR_SET_NAME) or a write to comm."""

    at: int
    time: int | None
    tid: int
    comm: str


class NewPidNs(NamedTuple):
    """unshare(CLONE_NEWPID) succeeded: the *children* created from now on live in a new pid namespace."""

    at: int
    time: int | None
    tid: int


class JoinPidNs(NamedTuple):
    """setns into a pid namespace succeeded: the *children* created from now on live in it."""

    at: int
    time: int | None
    tid: int
    ns_id: int = 0
    """Inode number of the namespace where known; else 0."""


class Attach(NamedTuple):
    """A task is there whose creation the trace does not show."""

    at: int
    time: int | None
    tid: int
    comm: str = ""
    noticed: bool = False
    """The tracer announced it ("Process N attached"); else it was first seen by something that it did."""
    threads: int = 0
    """Threads that the tracer attached to with it ("attached with 9 threads"); 0: not said."""
    creators: tuple[int, ...] = ()
    """Calls that did not tell what they created, one of which created this process. Three numbers for each: tid, flags,
    where it began. One that may have made a thread as well stands there twice, its likelier kind first."""
    hosts: tuple[int, ...] = ()
    """Where ends are not told: calls of which it may be the thread. Two numbers for each: tid, where it began."""


class SameProcess(NamedTuple):
    """The trace itself says that `tid` and `other` are threads of one process (tgkill within a group, attach lists)."""

    at: int
    time: int | None
    tid: int
    other: int


class Detach(NamedTuple):
    """The tracer let go of the task, which lives on."""

    at: int
    time: int | None
    tid: int


class Snapshot(NamedTuple):
    """A task as /proc shows it: the state before a live trace, or after events were lost."""

    at: int
    time: int | None
    tid: int
    tgid: int
    ppid: int
    comm: str
    exe: str
    argv: tuple[str, ...]
    start_time: int
    """ns since boot."""
    zombie: bool
    ns_pids: tuple[int, ...]
    cgroup: str
    subreaper: bool | None = None
    """None: not known (no file of /proc shows it)."""
    pid_ns: int = 0
    """Inode number of /proc/PID/ns/pid; 0 where it could not be read."""
    argv_cut: bool = False
    """There were more arguments."""
    parent_tid: int = 0
    """The thread of the parent that it hangs on; 0: not known (no file of /proc of its own shows it)."""


class Gone(NamedTuple):
    """A task that was known is not in /proc any more: it ended while events were lost."""

    at: int
    time: int | None
    tid: int


class Lost(NamedTuple):
    """The tracer lost `count` events somewhere before here. `tid` is 0."""

    at: int
    time: int | None
    tid: int
    count: int  # type: ignore[assignment]


class CgroupMove(NamedTuple):
    """The process of `tid` was moved to another cgroup."""

    at: int
    time: int | None
    tid: int
    path: str
    """In the hierarchy that the source follows: the unified one, else systemd's."""


class PidNsId(NamedTuple):
    """The pid namespace that the process of `tid` lives in has this inode number."""

    at: int
    time: int | None
    tid: int
    ns_id: int


class ContainerTold(NamedTuple):
    """What the container runtime's files said of a container while it was there. `tid` is 0."""

    at: int
    time: int | None
    tid: int
    outer: str
    """Id of the container that holds the runtime; '' for the machine's own."""
    id: str
    details: tuple[str, ...]
    """The fields of runtime.oci.Details, in their order."""


Event = (
    Clone
    | Exec
    | ExitBegin
    | Exit
    | Killed
    | Reap
    | ChildSignal
    | SetSubreaper
    | SubreaperSettled
    | SetPdeathsig
    | Rename
    | NewPidNs
    | JoinPidNs
    | Attach
    | SameProcess
    | Detach
    | Snapshot
    | Gone
    | Lost
    | CgroupMove
    | PidNsId
    | ContainerTold
)

KINDS: tuple[type, ...] = get_args(Event)
"""All of them."""
