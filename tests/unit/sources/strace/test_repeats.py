"""Lives that a log repeats are one record each, and their events are those of their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tracer.event import SubreaperSettled
from tracer.sources.base import SourceStats
from tracer.sources.open import Input
from tracer.sources.strace import reading
from tracer.sources.strace.fast import feeder
from tracer.sources.strace.lines.style import find_style
from tracer.sources.strace.ordering.orderer import Orderer
from tracer.sources.strace.records import RUN, RUN_MEANS, Record
from tracer.sources.strace.source import replay

if TYPE_CHECKING:
    from pathlib import Path

    from tracer.event import Event

HEAD = '{p} execve("/bin/sh", ["sh"], 0x7ffd /* 9 vars */) = 0\n'
SHELL = (
    "{p} vfork( <unfinished ...>\n"
    '{c} execve("/bin/true", ["/bin/true"], 0x55d4b0 /* 9 vars */ <unfinished ...>\n'
    "{p} <... vfork resumed>)              = {c}\n"
    "{c} <... execve resumed>)             = 0\n"
    "{p} wait4(-1,  <unfinished ...>\n"
    "{c} exit_group(0)                     = ?\n"
    "{c} +++ exited with 0 +++\n"
    "{p} <... wait4 resumed>[{{WIFEXITED(s) && WEXITSTATUS(s) == 0}}], 0, NULL) = {c}\n"
    "{p} --- SIGCHLD {{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid={c}, si_uid=0, si_status=0}} ---\n"
    "{p} wait4(-1, 0x7ffecfa7e8ac, WNOHANG, NULL) = -1 ECHILD (No child processes)\n"
)
FORK = (
    "{p} clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD, child_tidptr=0x7f01) = {c}\n"
    "{p} wait4(-1,  <unfinished ...>\n"
    "{c} exit_group(3) = ?\n"
    "{c} +++ exited with 3 +++\n"
    "{p} <... wait4 resumed>[{{WIFEXITED(s) && WEXITSTATUS(s) == 3}}], 0, NULL) = {c}\n"
)
KILLED = (
    "{p} fork( <unfinished ...>\n"
    '{c} execve("/bin/x", ["x"], 0x55 /* 9 vars */) = 0\n'
    "{p} <... fork resumed>) = {c}\n"
    "{c} --- SIGTERM {{si_signo=SIGTERM, si_code=SI_USER, si_pid={p}, si_uid=0}} ---\n"
    "{c} +++ killed by SIGTERM +++\n"
    "{p} --- SIGCHLD {{si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid={c}, si_uid=0, si_status=SIGTERM}} ---\n"
    "{p} wait4(-1, [{{WIFSIGNALED(s) && WTERMSIG(s) == SIGTERM}}], 0, NULL) = {c}\n"
)


def _events(log: Path) -> tuple[list[Record], list[Event]]:
    source = Input(str(log))
    style = find_style(source.sample())
    records: list[Record] = []

    def batches() -> reading.Iterator[reading.Batch]:
        for batch in reading.read(source, style, None):
            records.extend(batch[0])
            yield batch

    stats = SourceStats()
    events = [event for batch in replay(batches(), Orderer(True), stats) for event in batch]
    assert not stats.unreadable
    source.close()
    return records, events


def _but_for_settling(events: list[Event]) -> list[Event]:
    return [event for event in events if type(event) is not SubreaperSettled]


def _both(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many lives were known as a whole; the events are compared with those of a reader that knows none.

    SubreaperSettled comes before a life that is one record, and else within it.
    """
    log = tmp_path / "log"
    log.write_text(text)
    records, events = _events(log)
    with monkeypatch.context() as without:
        without.setattr(feeder, "Repeats", _Never)
        plain_records, plain_events = _events(log)
    assert not any(record[0] in (RUN, RUN_MEANS) for record in plain_records)
    assert _but_for_settling(events) == _but_for_settling(plain_events)
    return sum(record[0] == RUN for record in records)


class _Never:
    def __init__(self, _joiner: object, shortcuts: feeder.Shortcuts) -> None:
        self._shortcuts = shortcuts

    def feed(self, at: int, block: bytes) -> int:
        return self._shortcuts.feed(range(at, at + block.count(b"\n")), block)


def _log(life: str, count: int, creator: int = 1000) -> str:
    return HEAD.format(p=creator) + "".join(life.format(p=creator, c=creator + i) for i in range(1, count + 1))


@pytest.mark.parametrize("life", [SHELL, FORK, KILLED])
def test_lives_alike_are_known_from_the_third_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, life: str) -> None:
    assert _both(tmp_path, _log(life, 50), monkeypatch) >= 46


def test_text_learned_from_one_creator_serves_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = _log(SHELL, 20) + "1000 +++ exited with 0 +++\n" + _log(SHELL, 20, 2000)
    assert _both(tmp_path, text, monkeypatch) >= 34


def test_what_differs_in_more_than_the_number_is_read_line_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = SHELL.replace("exit_group(0)", "exit_group(9)").replace("with 0", "with 9").replace("== 0", "== 9")
    text = _log(SHELL, 20) + other.format(p=1000, c=1021) + SHELL.format(p=1000, c=1022)
    assert _both(tmp_path, text, monkeypatch) == 19


@pytest.mark.parametrize(
    "line",
    [
        "1021 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n",
        "1000 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n",
        "1000 unshare(CLONE_NEWPID) = 0\n",
        "1021 clone(child_stack=NULL, flags=SIGCHLD) = 1500\n1500 exit_group(0) = ?\n",
        "3000 exit_group(1) = ?\n3000 +++ exited with 1 +++\n",
        "1000 exit_group(0) = ?\n",
        "1000 vfork( <unfinished ...>\n",
        "1021 +++ exited with 0 +++\n",
        "1022 getpid() = 1022\n",
        "1021 clone(child_stack=NULL, fl",
        "strace: Process 1022 attached\n",
    ],
)
@pytest.mark.parametrize("place", range(11))
def test_a_line_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, place: int) -> None:
    lines = SHELL.format(p=1000, c=1021).splitlines(keepends=True)
    last = "".join(SHELL.format(p=1000, c=c) for c in range(1022, 1030))
    text = _log(SHELL, 20) + "".join([*lines[:place], line, *lines[place:]]) + last
    assert _both(tmp_path, text, monkeypatch) >= 18


@pytest.mark.parametrize("place", range(10))
def test_a_line_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    lines = SHELL.format(p=1000, c=1021).splitlines(keepends=True)
    del lines[place]
    text = _log(SHELL, 20) + "".join(lines) + "".join(SHELL.format(p=1000, c=c) for c in range(1022, 1030))
    assert _both(tmp_path, text, monkeypatch) >= 18


def test_number_of_one_that_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The creator is in another pid namespace, or the log lost an end: nothing is sure any more."""
    alive = '1000 clone(child_stack=NULL, flags=SIGCHLD) = 1021\n1021 prctl(PR_SET_NAME, "a") = 0\n'
    text = _log(SHELL, 20) + alive + "".join(SHELL.format(p=1000, c=c) for c in range(1021, 1025))
    _both(tmp_path, text, monkeypatch)


def test_number_that_is_part_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """si_pid=21 would become something else where another child has the place of the 2."""
    life = SHELL.replace("si_pid={c}", "si_pid={c}7")
    text = HEAD.format(p=1) + "".join(life.format(p=1, c=c) for c in range(200, 230))
    assert _both(tmp_path, text, monkeypatch) == 0


def test_numbers_begin_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children = [*range(32700, 32768), *range(300, 340), *range(300, 320)]
    text = HEAD.format(p=1000) + "".join(SHELL.format(p=1000, c=c) for c in children)
    assert _both(tmp_path, text, monkeypatch) >= 100


def test_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lives that go over the end of a block are a small part, and lines are counted on."""
    assert _both(tmp_path, _log(SHELL, 2000, 10_000), monkeypatch) >= 1800
