"""What the decoder makes of records that the kernel writes only now and then."""

from __future__ import annotations

from collections.abc import Callable

from tracer.event import Clone, Event, Exec, Exit, Reap, Rename
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.decode import Decoder
from tracer.sources.proc import ProcProcess, Stat

FATHER, CHILD, INIT = 100, 101, 1
START = {FATHER: 10_000_000_000, CHILD: 20_000_000_123}


def header(kind: int, time: int, tid: int) -> tuple[int, ...]:
    return kind, 0, 0, time, START[tid], tid, tid


def clone(time: int) -> bytes:
    birth = (0, START[CHILD], 1, CHILD, CHILD, FATHER, FATHER, 17, wire.F_MEMBER, 1, 0)
    return wire.CLONE.pack(*header(wire.T_CLONE, time, FATHER), *birth, *[0] * 8, b"child")


def exit_of(tid: int, time: int, parent: int, flags: int) -> bytes:
    return wire.EXIT.pack(*header(wire.T_EXIT, time, tid), 0, parent, flags | wire.F_GROUP_DEAD, 0)


def free(tid: int, time: int, parent: int) -> bytes:
    return wire.FREE.pack(*header(wire.T_FREE, time, tid), START[parent], parent, parent)


def exec_of(tid: int, time: int, filename: bytes, args: bytes, comm: bytes, args_total: int) -> bytes:
    told = (tid, INIT, 0, args_total, len(filename), len(args), 0, 1, tid, comm)
    return wire.EXEC.pack(*header(wire.T_EXEC, time, tid), *told) + filename + args


def decoder(is_gone: Callable[[int, int], bool]) -> Decoder:
    """One that knows the father."""
    made = Decoder(lambda _tgid, _start: None, is_gone)
    stat = Stat("father", "S", INIT, False, START[FATHER] // 10_000_000)
    father = ProcProcess(FATHER, stat, "", (), False, (), "", 0, {FATHER: stat}, 0)
    made.adopt(father, START[FATHER], False, True, {})
    return made


def brief(events: list[Event]) -> list[tuple[object, ...]]:
    return [(type(e), e.tid, *([e.child] if isinstance(e, Clone | Reap) else [])) for e in events]


def test_a_child_that_will_probably_vanish_is_a_zombie_until_the_kernel_says_otherwise() -> None:
    """SIGCHLD is ignored at sched_process_exit; what counts is whether it is in do_notify_parent()."""
    made = decoder(lambda _tgid, _start: False)
    events = made.decode([clone(1), exit_of(CHILD, 2, FATHER, wire.F_AUTOREAP)])
    assert brief(events) == [(Clone, FATHER, CHILD), (Exit, CHILD)]
    assert brief(made.decode([free(CHILD, 30, FATHER)])) == [(Reap, FATHER, CHILD)]
    assert CHILD not in made.tasks


def test_a_zombie_that_is_still_there_is_left_to_be_adopted() -> None:
    made = decoder(lambda _tgid, _start: False)
    made.decode([clone(1), exit_of(CHILD, 2, FATHER, wire.F_AUTOREAP)])
    assert brief(made.decode([exit_of(FATHER, 3, INIT, 0)])) == [(Exit, FATHER)]


def test_a_child_that_vanished_is_gone_before_its_father_ends() -> None:
    asked = []
    made = decoder(lambda tgid, start: not asked.append((tgid, start)))
    made.decode([clone(1), exit_of(CHILD, 2, FATHER, wire.F_AUTOREAP)])
    assert brief(made.decode([exit_of(FATHER, 3, INIT, 0)])) == [(Reap, FATHER, CHILD), (Exit, FATHER)]
    assert asked == [(CHILD, START[CHILD])]


def test_a_zombie_is_looked_up_once() -> None:
    """Not while it is young, and never again when it was found to be there."""
    there = {CHILD}
    made = decoder(lambda tgid, _start: tgid not in there)
    made.decode([clone(1), exit_of(CHILD, 50, FATHER, 0)])
    assert made.reaped_unseen(before=50) == ([], True)
    assert made.reaped_unseen(before=51) == ([], False)
    there.clear()
    assert made.reaped_unseen(before=60) == ([], False)


def test_a_zombie_that_is_not_there_was_reaped() -> None:
    made = decoder(lambda _tgid, _start: True)
    made.decode([clone(1), exit_of(CHILD, 50, FATHER, 0)])
    events, younger = made.reaped_unseen(before=51)
    assert (brief(events), younger) == ([(Reap, 0, CHILD)], False)
    assert made.decode([free(CHILD, 90, FATHER)]) == []


def test_a_program_is_told_as_its_own_record_has_it() -> None:
    """Programs are remembered by their bytes; what differs in one of them, or only in how they are cut, is another."""
    made = decoder(lambda _tgid, _start: False)
    records = [
        exec_of(FATHER, 1, b"/bin/sh", b"sh\0-c\0", b"sh", 6),
        exec_of(FATHER, 2, b"/bin/sh", b"sh\0-c\0", b"sh", 6),
        exec_of(FATHER, 3, b"/bin/sh", b"sh\0-c\0", b"sh", 7),
        exec_of(FATHER, 4, b"/bin/shs", b"h\0-c\0", b"shs", 5),
        exec_of(FATHER, 5, b"/dev/fd/3", b"sh\0", b"memfd:x", 3),
    ]
    assert made.decode(records) == [
        Exec(1, 1, FATHER, FATHER, "/bin/sh", ("sh", "-c"), False),
        Exec(2, 2, FATHER, FATHER, "/bin/sh", ("sh", "-c"), False),
        Exec(3, 3, FATHER, FATHER, "/bin/sh", ("sh", "-c"), True),
        Exec(4, 4, FATHER, FATHER, "/bin/shs", ("h", "-c"), False),
        Exec(5, 5, FATHER, FATHER, "/dev/fd/3", ("sh",), False),
        Rename(6, 5, FATHER, "memfd:x"),
    ]
