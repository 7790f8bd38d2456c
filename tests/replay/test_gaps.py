"""Lines left out of the middle of a log: where the rest proves it, it is counted, and all before is a guess."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import tracer
from tests.unit.cli.command import ctrace
from tracer.event import Lost
from tracer.graph import GraphStats
from tracer.render.lacking import missing
from tracer.sources.detect import open_source

from .literal import SIGNALLED, edges, edges_of

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = '100 execve("/a", ["a"], 0x1) = 0\n'
FAMILY = f"{BEGIN}100 fork() = 101\n101 fork() = 102\n100 fork() = 103\n"
LEFT_OUT = "101 exit_group(0) = ?\n101 +++ exited with 0 +++\n"
EXEC = '103 execve("/b", ["b"], 0x1) = 0\n'
TWO_LINES = (
    "103 wait4(-1,  <unfinished ...>\n{}103 <... wait4 resumed>NULL, 0, NULL) = -1 ECHILD (No child processes)\n"
)


def lost(folder: Path, log: str) -> int:
    path = folder / "strace.log"
    path.write_text(log)
    return tracer.replay(str(path)).stats.lost


def test_a_whole_log_lacks_nothing(tmp_path: Path) -> None:
    log = FAMILY + TWO_LINES.format(LEFT_OUT)
    assert edges(tmp_path, log)[102] == (1, "assumed")
    assert lost(tmp_path, log) == 0


@pytest.mark.parametrize(
    "rest",
    [
        "103 <... wait4 resumed>NULL, 0, NULL) = -1 ECHILD (No child processes)\n",
        "103 wait4(-1,  <unfinished ...>\n103 prctl(PR_SET_NAME, \"x\") = 0\n",
        "103 wait4(-1,  <unfinished ...>\n103 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=100} ---\n",
        "103 wait4(-1,  <unfinished ...>\n103 <... fork resumed>) = 104\n",
    ],
    ids=["never began", "never returned", "a signal inside", "another returned"],
)  # fmt: skip
@pytest.mark.parametrize("form", ["{} ", "[pid {}] "])
def test_what_was_known_before_a_gap_is_a_guess(tmp_path: Path, rest: str, form: str) -> None:
    """Whether 101 lives on, as it seems here, no later line tells."""
    after = "100 fork() = 105\n"
    log = FAMILY + '103 prctl(PR_SET_NAME, "y") = 0\n' + rest + after
    if form != "{} ":
        log = "".join(form.format(line[:3]) + line[4:] for line in log.splitlines(keepends=True))
    found = edges(tmp_path, log)
    assert (found[102], found[105]) == ((101, "inferred"), (100, "observed"))
    assert lost(tmp_path, log) == 1
    head, *_ = ctrace("replay", str(tmp_path / "strace.log")).stdout.splitlines()
    assert b"1 lost" in head


def test_no_sibling_of_one_whose_parent_is_a_guess_is_sure(tmp_path: Path) -> None:
    log = f"{FAMILY}103 <... wait4 resumed>NULL, 0, NULL) = -1 ECHILD (No child processes)\n"
    sibling = "102 clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD) = 106\n"
    assert edges(tmp_path, log + sibling)[106] == (101, "inferred")
    assert edges(tmp_path, FAMILY + sibling)[106] == (101, "derived")


@pytest.mark.parametrize(
    "rest",
    [
        "103 vfork( <unfinished ...>\n103 +++ killed by SIGKILL +++\n",
        "100 clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 107\n100 wait4(-1,  <unfinished ...>\n"
        '107 execve("/b", ["b"], 0x1 <unfinished ...>\n100 +++ superseded by execve in pid 107 +++\n'
        "100 <... execve resumed>) = 0\n100 fork() = 108\n108 wait4(-1,  <unfinished ...>\n",
        '107 execve("/b", ["b"], 0x1 <pid changed to 100 ...>\n100 <... execve resumed>) = 0\n',
        "103 wait4(-1,  <unfinished ...>\n103 <... wait4 resumed>0x7, 0, NULL) = ? ERESTARTSYS (To be restarted)\n"
        "103 --- SIGCONT {si_signo=SIGCONT, si_code=SI_USER, si_pid=1, si_uid=0} ---\n"
        "103 wait4(-1,  <unfinished ...>\n103 <... wait4 resumed> <unfinished ...>) = ?\n"
        "103 +++ killed by SIGKILL +++\n",
    ],
    ids=["killed inside", "a thread takes over", "told otherwise", "begun again"],
)
def test_what_whole_logs_have_is_no_gap(tmp_path: Path, rest: str) -> None:
    assert lost(tmp_path, FAMILY + rest) == 0


def test_a_log_that_begins_late_begins_inside_of_calls(tmp_path: Path) -> None:
    late = "103 <... wait4 resumed>NULL, 0, NULL) = -1 ECHILD (No child processes)\n100 fork() = 105\n"
    assert lost(tmp_path, late) == 0
    assert lost(tmp_path, late + late) == 1


def test_the_tracees_output_may_have_swallowed_a_line(tmp_path: Path) -> None:
    log = '[pid 103] prctl(PR_SET_NAME, "y") = 0\n{}[pid 103] <... fork resumed>) = 105\n'
    assert lost(tmp_path, log.format("")) == 1
    assert lost(tmp_path, log.format("a line without its end[pid 103] fork( <unfinished ...>\n")) == 0
    assert lost(tmp_path, log.format("[pid 103] fork(strace: Process 105 attached\n <unfinished ...>\n")) == 0


def test_an_end_that_only_a_signal_tells_of(tmp_path: Path) -> None:
    """103, of whose birth no line tells, has ended; so may others have whose children seem to be theirs."""
    log = f"{BEGIN}100 fork() = 101\n101 +++ exited with 0 +++\n100 fork() = 102\n{EXEC}103 fork() = 104\n"
    signal = "102 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=103, si_uid=0, si_status=0} ---\n"
    assert edges(tmp_path, log)[104] == (103, "observed")
    assert edges(tmp_path, log + signal)[104] == (103, "inferred")


ALL_KINDS = f"{FAMILY}100 vfork( <unfinished ...>\n104 +++ exited with 0 +++\n100 <... vfork resumed>) = 104\n"
ALL_KINDS += "102 clone(child_stack=NULL, flags=SIGCHLD) = 105\n102 clone3({flags=0, exit_signal=SIGCHLD}, 88) = 106\n"
"""The log shows each kind of call that creates tasks."""


def test_a_task_that_no_call_can_have_created(tmp_path: Path) -> None:
    """The line of the call is missing, and so may be that of 101's end."""
    appears = '107 execve("/b", ["b"], 0x1) = 0\n'
    assert edges(tmp_path, ALL_KINDS + "106 fork() = 107\n" + appears)[102] == (101, "observed")
    assert edges(tmp_path, ALL_KINDS + appears)[102] == (101, "inferred")
    assert lost(tmp_path, ALL_KINDS + appears) == 1
    head, *_ = ctrace("replay", str(tmp_path / "strace.log")).stdout.splitlines()
    assert b"1 lost" in head


@pytest.mark.parametrize(
    ("log", "why"),
    [
        (ALL_KINDS.replace("clone3", "clone"), "clone3 may not be traced"),
        (ALL_KINDS + "106 fork( <unfinished ...>\n106 +++ killed by SIGKILL +++\n", "106 may have created it"),
        (ALL_KINDS + "106 fork( <unfinished ...>\n", "the same"),
        (ALL_KINDS + "106 fork() = 105\n105 fork() = 108\n", "strace may have printed what is no result"),
        (ALL_KINDS.replace("+++ exited", "+++ killed"), "-qq"),
    ],
)
def test_a_task_that_a_call_may_have_created(tmp_path: Path, log: str, why: str) -> None:
    assert lost(tmp_path, log + '107 execve("/b", ["b"], 0x1) = 0\n') == 0, why


def test_an_end_that_was_told_to_the_parent_alone(tmp_path: Path) -> None:
    """strace tells of an end before the parent can be told (wait_consider_task()), so its line was left out."""
    end, signal = "103 +++ exited with 0 +++\n", f"100 {SIGNALLED.format(103)}\n"
    more = TWO_LINES.format("102 +++ exited with 0 +++\n") + "100 fork() = 105\n"
    assert edges(tmp_path, FAMILY + more + end + signal)[105] == (100, "observed")
    assert edges(tmp_path, FAMILY + more + signal)[105] == (100, "inferred")
    assert lost(tmp_path, FAMILY + more + signal) == 1
    waited = "100 wait4(103, NULL, 0, NULL) = 103\n"
    assert edges(tmp_path, FAMILY + more + end + waited)[105] == (100, "observed")
    assert edges(tmp_path, FAMILY + more + waited)[105] == (100, "inferred")
    assert lost(tmp_path, FAMILY + more + waited) == 1


@pytest.mark.parametrize(
    ("killed", "weak"),
    [
        ("100 kill(101, SIGKILL) = 0\n", True),
        ("100 kill(101, SIGKILL <unfinished ...>\n103 getppid() = 100\n100 <... kill resumed>) = 0\n", True),
        ("101 kill(101, SIGKILL) = ?\n", True),
        ("101 wait4(-1,  <unfinished ...>\n101 <... wait4 resumed> <unfinished ...>) = ?\n", True),
        ("100 kill(101, SIGKILL) = -1 ESRCH (No such process)\n", False),
        ("100 kill(101, SIGTERM) = 0\n", False),
        ("100 kill(101, SIGKILL) = 0\n101 +++ killed by SIGKILL +++\n", False),
        ("102 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 104\n104 kill(1, SIGKILL) = 0\n", False),
    ],
)
def test_who_was_killed_may_be_gone(tmp_path: Path, killed: str, weak: bool) -> None:
    """101 has ended, or will at once: whether 102 has moved, the log does not tell."""
    found = edges(tmp_path, f"{FAMILY}103 +++ exited with 0 +++\n{killed}")
    assert (found[102][1] == "inferred") is weak
    assert (found[101][1] == "inferred") is weak


def test_a_notice_takes_nothing_away_from_the_calls_of_others(tmp_path: Path) -> None:
    """102 was inside wait4 when 105 was announced, and after that it returns from another call."""
    log = (
        "[pid 102] wait4(-1,  <unfinished ...>\n[pid 103] fork(strace: Process 105 attached\n) = 105\n"
        "strace: Process 106 attached\n[pid 102] prctl(PR_SET_NAME, \"x\") = 0\n"
    )  # fmt: skip
    assert lost(tmp_path, log) == 1
    assert lost(tmp_path, log.replace("[pid 102] prctl", "prctl")) == 0


def test_a_child_whose_announcement_was_left_out_is_not_the_first_task(tmp_path: Path) -> None:
    """No line has named the first one, and the number that nobody has announced is above its children's."""
    log = (
        'execve("/a", ["a"], 0x1) = 0\nfork() = 102\nfork(strace: Process 102 attached\n) = 103\n'
        "strace: Process 103 attached\n[pid 104] fork() = 105\nstrace: Process 105 attached\n"
        "[pid 102] wait4(-1,  <unfinished ...>\n"
    )
    assert edges(tmp_path, log)[102][0] != 104
    assert edges(tmp_path, log.replace("[pid 104]", "[pid 101]"))[102] == (101, "observed")


@pytest.mark.parametrize(
    ("call", "child"),
    [
        ("clone3({flags=CLONE_VM|CLONE_FS", False),
        ("clone3({flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD, stack=0x1", True),
        ("clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS", False),
        ("clone(child_stack=0x1, flags=CLONE_VM|CLONE_VFORK|SIGCHLD", True),
        ("clone(child_st", False),
        ("vfork(", True),
    ],
)
def test_a_call_that_was_cut_before_all_its_flags(tmp_path: Path, call: str, child: bool) -> None:
    """102, which it may have created, may be a thread as well."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "log.100").write_text('10:00:00.000001 execve("/a", ["a"], 0x1) = 0\n10:00:00.000002 fork() = 101\n')
    (folder / "log.101").write_text(f"10:00:00.000003 {call}")
    (folder / "log.102").write_text("10:00:00.000005 fork() = 103\n")
    (folder / "log.103").write_text("")
    found = edges_of(folder)
    assert found[103] == (102, "observed" if child else "inferred")
    assert found[102] == ((101, "inferred") if child else (None, "unknown"))


def test_what_is_left_of_a_time_is_no_number_of_a_task(tmp_path: Path) -> None:
    """A file of a -ff set that begins in the middle of a line: 101 calls fork, whatever digit stands in front."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "log.5").write_text('10:00:00.000001 execve("/a", ["a"], 0x1) = 0\n10:00:00.000002 fork() = 101\n')
    (folder / "log.101").write_text("5 fork() = 102\n10:00:00.000006 wait4(102, NULL, WNOHANG, NULL) = 0\n")
    (folder / "log.102").write_text("")
    assert edges_of(folder)[102][0] != 5


ENDS = "102 exit_group(0) = ?\n102 +++ exited with 0 +++\n"
INSIDE = '103 execve("/b", ["b"], 0x1 <unfinished ...>\n'


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        (f'{ENDS}{INSIDE}103 prctl(PR_SET_NAME, "x") = 0\n', 1),
        (f"{ENDS}103 <... execve resumed>) = 0\n", 1),
        (f"{ENDS}{INSIDE}103 <... execve resumed>) = 0\n", 0),
        (f"{ENDS}{INSIDE}103 +++ killed by SIGKILL +++\n", 0),
        ("103 <... execve resumed>) = 0\n", 0),  # -qqq: a thread's
        (
            "103 clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 104\n103 wait4(-1,  <unfinished"
            ' ...>\n104 execve("/b", ["b"], 0x1 <unfinished ...>\n103 +++ superseded by execve in pid 104 +++\n'
            f"{ENDS}103 --- SIGCHLD {{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=9, si_status=0}} ---\n"
            "103 <... execve resumed>) = 12\n104 fork() = 105\n",
            0,
        ),
    ],
    ids=["never returned", "never began", "returned", "killed inside", "-qqq", "--seccomp-bpf"],
)
def test_an_execve_has_both_ends(tmp_path: Path, rest: str, found: int) -> None:
    assert lost(tmp_path, FAMILY + rest) == found


def test_a_new_task_is_in_no_call(tmp_path: Path) -> None:
    log = (
        'execve("/a", ["a"], 0x1) = 0\nfork(strace: Process 101 attached\n <unfinished ...>\n'
        "{}[pid 101] <... fork resumed>) = 102\n[pid 100] <... fork resumed>) = 101\n"
    )
    assert lost(tmp_path, log.format("")) == 1
    assert lost(tmp_path, log.format("[pid 101] fork( <unfinished ...>\n")) == 0


def test_a_line_without_prefix_is_of_the_only_task(tmp_path: Path) -> None:
    """103 is inside wait4, and 102 alive: their ends are missing, and so may be more."""
    begin = 'execve("/a", ["a"], 0x1) = 0\n'
    for child in (101, 102, 103):
        begin += f"[pid 100] fork(strace: Process {child} attached\n) = {child}\n"
    begin += "[pid 101] fork(strace: Process 104 attached\n) = 104\n[pid 104] +++ exited with 0 +++\n"
    alone = "prctl(PR_SET_NAME, \"x\") = 0\n"  # fmt: skip
    assert lost(tmp_path, begin + alone) == 1
    assert edges(tmp_path, begin + alone)[102] == (100, "inferred")
    ended = "".join(f"[pid {tid}] +++ exited with 0 +++\n" for tid in (101, 102, 103))
    assert lost(tmp_path, begin + ended + alone) == 0


THREAD = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD)"
SOME = f"{FAMILY}103 {THREAD} = 104\n104 exit(0) = ?\n104 +++ exited with 0 +++\n"
SOME += "100 fork() = 105\n105 exit_group(0) = ?\n"
"""Both calls of exit are traced."""


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        ("103 +++ exited with 3 +++\n", 1),
        ("103 exit_group(3) = ?\n103 +++ exited with 3 +++\n", 0),
        ("103 exit(3) = ?\n103 +++ exited with 3 +++\n", 0),
        (f"103 {THREAD} = 106\n106 +++ exited with 3 +++\n", 1),
        (f"103 {THREAD} = 106\n103 exit_group(3) = ?\n106 +++ exited with 3 +++\n", 0),
        (f"103 {THREAD} = 106\n106 +++ exited with 0 +++\n103 execve(\"/b\", [\"b\"], 0x1) = 0\n", 0),
        (f"103 {THREAD} = 106\n103 {THREAD} = 107\n103 +++ killed by SIGKILL +++\n", 1),
        (f"103 {THREAD} = 106\n106 execve(\"/b\", [\"b\"], 0x1 <unfinished ...>\n103 +++ killed by SIGKILL +++\n", 0),
        (f"103 {THREAD} = 106\n103 exit_group(3) = ?\n103 +++ exited with 3 +++\n", 1),
        (f'103 {THREAD} = 106\n106 execve("/b", ["b"], 0x1) = -1 ENOENT\n103 +++ killed by SIGKILL +++\n', 1),
    ],
    ids=[
        "no exit", "exit_group", "exit", "a thread", "another's exit_group", "exec", "threads without end",
        "killed in the execve", "a thread without end", "killed after an execve",
    ],
)  # fmt: skip
def test_an_end_without_its_cause(tmp_path: Path, rest: str, found: int) -> None:
    assert edges(tmp_path, SOME)[102] == (101, "observed")
    assert lost(tmp_path, SOME + rest) == found
    assert edges(tmp_path, SOME + rest)[102] == (101, "inferred" if found else "observed")


def test_where_exit_is_shown_later_only(tmp_path: Path) -> None:
    log = f"{FAMILY}100 fork() = 105\n105 exit_group(0) = ?\n103 +++ exited with 3 +++\n101 {THREAD} = 106\n"
    assert lost(tmp_path, log) == 0  # exit may be left out by a filter
    assert lost(tmp_path, f"{log}106 exit(0) = ?\n") == 1


def test_a_child_that_is_another_ones_by_the_kernels_word(tmp_path: Path) -> None:
    """Whose child 102 was must have ended, and no line tells of it."""
    log = SOME + "102 exit_group(0) = ?\n102 +++ exited with 0 +++\n101 fork() = 107\n"
    told = f"100 {SIGNALLED.format(102)}\n"
    end = "101 +++ killed by SIGKILL +++\n"
    assert edges(tmp_path, log)[107] == (101, "observed")
    assert edges(tmp_path, log + told)[107] == (101, "inferred")
    assert lost(tmp_path, log + told) == 1
    assert lost(tmp_path, f"100 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n{log}{told}{end}") == 0


def test_the_group_of_one_who_called_exit_group_is_dying(tmp_path: Path) -> None:
    """The leader's end is still to come, or its line is lost: 105 may have moved."""
    log = f"{FAMILY}103 {THREAD} = 104\n103 fork() = 105\n104 exit_group(2) = ?\n{{}}104 +++ exited with 2 +++\n"
    assert edges(tmp_path, log.format(""))[105] == (103, "inferred")
    assert edges(tmp_path, log.replace("exit_group", "exit").format(""))[105] == (103, "observed")


def test_a_call_that_turns_out_to_have_created_another_one(tmp_path: Path) -> None:
    """Until 106 returned, 107 could be its child."""
    begin = "106 fork( <unfinished ...>\n107 prctl(PR_SET_NAME, \"x\") = 0\n"  # fmt: skip
    assert lost(tmp_path, ALL_KINDS + begin) == 0
    assert lost(tmp_path, f"{ALL_KINDS}{begin}106 <... fork resumed>) = 108\n") == 1


NEVER_BEGAN = "102 <... wait4 resumed>NULL, 0, NULL) = -1 ECHILD (No child processes)\n"


def test_an_earlier_gap_does_not_hide_a_later_one(tmp_path: Path) -> None:
    """What the signal says is known once 106 has told whom it created: by then a line behind it has shown that more is
    missing, and 109 may have another parent since."""
    begun = "106 fork( <unfinished ...>\n107 prctl(PR_SET_NAME, \"x\") = 0\n"  # fmt: skip
    untold = f"100 {SIGNALLED.format(103)}\n100 fork() = 109\n"
    log, returned = f"{ALL_KINDS}{begun}{untold}", "106 <... fork resumed>) = 107\n"
    assert edges(tmp_path, log + returned)[109] == (100, "observed")
    assert lost(tmp_path, log + returned) == 1
    assert edges(tmp_path, log + NEVER_BEGAN + returned)[109] == (100, "inferred")
    assert lost(tmp_path, log + NEVER_BEGAN + returned) == 2


def test_a_gap_in_the_first_lines_holds_nothing_up(tmp_path: Path) -> None:
    """No task is named by it, which does not mean that the first one has no number."""
    path = tmp_path / "strace.log"
    path.write_text(f'{FAMILY}102 prctl(PR_SET_NAME, "y") = 0\n{NEVER_BEGAN}100 fork() = 104\n')
    batches = open_source([str(path)]).batches()
    assert [type(event) for event in next(iter(batches))] == [Lost]


def test_a_task_that_was_not_announced(tmp_path: Path) -> None:
    """strace says of each new task that it is attached, before anything else of it, if it says so of any."""
    log = (
        'execve("/a", ["a"], 0x1) = 0\nfork(strace: Process 101 attached\n) = 101\n'
        "[pid 100] fork( <unfinished ...>\n{}[pid 102] +++ exited with 0 +++\n[pid 100] <... fork resumed>) = 102\n"
    )
    notice = "strace: Process 102 attached\n"
    again = log.format(notice) + "[pid 100] fork() = 102\n{}[pid 102] getppid() = 100\n"
    assert lost(tmp_path, log.format(notice)) == 0
    assert lost(tmp_path, log.format("")) == 1
    assert edges(tmp_path, log.format(""))[101] == (100, "inferred")
    assert lost(tmp_path, log.format("").replace("strace: Process 101 attached\n", "")) == 0  # -q
    assert lost(tmp_path, "tail] " + log.format("")) == 0
    assert lost(tmp_path, again.format(notice)) == 0


def test_it_is_said_where_lines_are_missing(tmp_path: Path) -> None:
    """Nobody has let 103 exit; what 100 returns from has not begun."""
    path = tmp_path / "strace.log"
    told = "102 exit(0) = ?\n102 +++ exited with 0 +++\n" + LEFT_OUT
    path.write_text(FAMILY + told + "103 +++ exited with 3 +++\n100 <... wait4 resumed>NULL, 0, NULL) = 103\n")
    head, said, *_ = ctrace("replay", str(path)).stdout.decode().splitlines()
    assert head.endswith(" · 2 lost")
    assert said == "Lines are missing before line 9 and line 10: what was known before is a guess at best."
    stats = json.loads(ctrace("replay", str(path), "--format", "json").stdout)["stats"]
    assert (stats["lost"], stats["missing_before"]) == (2, [9, 10])


def test_of_many_places_the_first_are_said() -> None:
    def said(*places: int) -> str:
        return missing(GraphStats(lost_before=list(places)), "line {}".format).partition(":")[0]

    assert said() == ""
    assert said(7) == "Lines are missing before line 7"
    assert said(9, 7, 8) == "Lines are missing before line 7, line 8 and line 9"
    assert said(4, 3, 2, 1) == "Lines are missing before line 1, line 2, line 3 and 1 more place"
