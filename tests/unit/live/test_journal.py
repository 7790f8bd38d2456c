"""What is told of each event."""

from __future__ import annotations

from tests.unit.live.memory import LiveMemory, there
from tests.unit.reconstruct.build import parse
from tracer.event import Gone, Lost, Rename, SetPdeathsig
from tracer.live.journal import Happened
from tracer.live.session import Session


def told(text: str, *, tell_last: int | None = None) -> list[str]:
    """`kind pid detail` of everything that is told when these events happen below a shell (100) under init."""
    lines: list[str] = []

    def tell(happened: Happened) -> None:
        process, detail = happened.process, happened.detail
        assert process is not None
        if happened.kind == "adopted":
            assert detail is process.reparentings[-1]  # type: ignore[index]
            detail = process.parent.tgid  # type: ignore[union-attr]
        elif happened.kind == "exec":
            detail = process.program.exe  # type: ignore[union-attr]
        lines.append(f"{happened.kind} {process.tgid}" + ("" if detail is None else f" {detail}"))

    source = LiveMemory([[there(1, 0), there(100, 1)], parse(text)])
    session = Session(source, tell=tell, tell_last=tell_last)
    session.step(0)
    lines.clear()
    session.step(0)
    return lines


def test_a_life() -> None:
    assert told("100 fork 101\n101 exec ls\n101 exit 0\n100 reap 101") == [
        "created 101",
        "exec 101 /bin/ls",
        "exited 101",
        "reaped 101",
    ]


def test_adoptions_follow_the_exit_that_causes_them() -> None:
    text = "100 fork 101\n101 subreaper 1\n101 fork 102\n102 fork 103\n102 fork 104\n102 exit 0"
    assert told(text)[-3:] == ["exited 102", "adopted 103 101", "adopted 104 101"]


def test_a_thread_is_no_process() -> None:
    assert told("100 thread 101\n101 exit 0\n100 fork 102") == [
        "thread_created 100 101",
        "thread_exited 100 101",
        "created 102",
    ]


def test_only_changes_of_the_flag_are_told() -> None:
    text = "100 subreaper 1\n100 subreaper 1\n100 subreaper 0"
    assert told(text) == ["subreaper 100 True", "subreaper 100 False"]


def test_a_reused_number_is_a_new_process() -> None:
    assert told("100 fork 101\n101 exit 0\n100 reap 101\n100 fork 101").count("created 101") == 2


def test_of_a_flood_the_end_and_all_adoptions_are_told() -> None:
    births = "\n".join(f"100 fork {n}\n{n} exit 0\n100 reap {n}" for n in range(200, 300))
    lines = told(f"100 fork 101\n101 fork 102\n101 exit 0\n{births}", tell_last=3)
    assert lines == ["adopted 102 1", "created 299", "exited 299", "reaped 299"]


def test_the_rare_ones() -> None:
    happened: list[Happened] = []
    events = [Lost(5, None, 0, 17), Rename(6, None, 100, "new"), SetPdeathsig(7, None, 100, 9), Gone(8, None, 100)]
    session = Session(LiveMemory([[there(1, 0), there(100, 1, "old")], list(events)]), tell=happened.append)
    session.step(0)
    assert [h.kind for h in happened] == ["found", "found"]
    session.step(0)
    assert [(h.kind, h.detail) for h in happened[2:]] == [
        ("lost", 17),
        ("renamed", "old"),
        ("pdeathsig", 9),
        ("gone", None),
    ]
