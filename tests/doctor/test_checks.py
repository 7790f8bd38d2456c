"""Each check against literal files: what it says of machines that this one is not."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.doctor.fake import NOT_ROOT, machine
from tracer.doctor import live, present, replay, runtimes
from tracer.doctor.machine import Machine
from tracer.doctor.report import Purpose, Section, Status, Trial

OK, LIMITED, MISSING, UNKNOWN = Status.OK, Status.LIMITED, Status.MISSING, Status.UNKNOWN

MOUNTINFO = "22 1 0:20 / /proc rw,relatime - proc proc rw{}\n"
STATUS = "Name:\tctrace\nUid:\t0\t0\t0\t0\nCapEff:\t{:016x}\n"


def caps(*numbers: int) -> dict[str, str | bytes]:
    return {"/proc/self/status": STATUS.format(sum(1 << number for number in numbers))}


def user(*numbers: int) -> dict[str, str | bytes]:
    """Who is not root, with these capabilities."""
    status = STATUS.format(sum(1 << number for number in numbers)).replace("Uid:\t0\t0", "Uid:\t1000\t1000")
    return {"/proc/self/status": status}


# ---- live ----


@pytest.mark.parametrize(
    ("files", "links", "status", "said"),
    [
        ({}, {}, OK, "CAP_BPF"),
        (caps(38, 39, 2, 19), {}, OK, "CAP_PERFMON"),
        (caps(21, 2, 19), {}, OK, "CAP_SYS_ADMIN"),
        (caps(38, 39, 19), {}, OK, "CAP_SYS_PTRACE"),
        (caps(38, 39), {}, LIMITED, "missing: CAP_SYS_PTRACE"),
        (user(38, 39, 19), {}, LIMITED, "missing: CAP_DAC_READ_SEARCH"),
        (user(38, 39, 2, 19), {}, OK, "not root"),
        (caps(39, 2, 19), {}, MISSING, "root; effective"),
        (caps(), {}, MISSING, "none that matter"),
        (NOT_ROOT, {}, LIMITED, "not root"),
        ({}, {"/proc/self/ns/user": "user:[4026532300]"}, MISSING, "user namespace"),
    ],
)
def test_rights(
    tmp_path: Path, files: dict[str, str | bytes], links: dict[str, str], status: Status, said: str
) -> None:
    check = live.rights(machine(tmp_path, files, links))
    assert check.status is status
    assert said in check.found
    assert bool(check.loss) == (status is not OK) == bool(check.mend or check.advice)


@pytest.mark.parametrize(
    ("files", "programs", "names"),
    [
        (caps(38, 39, 19), False, False),
        (caps(38, 39), True, False),
        (user(38, 39, 19), False, True),
        (user(38, 39, 2), True, False),
        (user(38, 39), True, True),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, files: dict[str, str | bytes], programs: bool, names: bool) -> None:
    """The runtimes' files are root's own: uid 0 reads them without any capability."""
    found = machine(tmp_path, files)
    watched, looked = live.rights(found), present.root(found)
    assert ("programs of other users" in watched.loss) == ("programs of other users" in looked.loss) == programs
    assert ("names in runtimes' files" in watched.loss) == ("shown by id" in looked.loss) == names
    assert watched.status is looked.status is (LIMITED if programs or names else OK)


def test_who_is_not_root_is_told_the_command(tmp_path: Path) -> None:
    assert live.rights(machine(tmp_path, NOT_ROOT)).mend == "sudo ctrace doctor"


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("none [integrity] confidentiality\n", OK, "integrity"),
        ("[none] integrity confidentiality\n", OK, "none"),
        ("none integrity [confidentiality]\n", MISSING, "confidentiality"),
    ],
)
def test_lockdown(tmp_path: Path, text: str, status: Status, said: str) -> None:
    check = live.lockdown(machine(tmp_path, {"/sys/kernel/security/lockdown": text}))
    assert (check.status, check.found) == (status, said)
    assert ("lockdown=integrity" in check.advice) == (status is MISSING)


def test_lockdown_where_securityfs_is_missing(tmp_path: Path) -> None:
    asked = live.lockdown(machine(tmp_path / "a", {"/proc/filesystems": "nodev\tsecurityfs\n"}))
    assert (asked.status, asked.mend) == (UNKNOWN, "mount -t securityfs securityfs /sys/kernel/security")
    assert live.lockdown(machine(tmp_path / "b", {"/proc/filesystems": "nodev\tproc\n"})).status is OK
    others = {"/proc/filesystems": "nodev\tsecurityfs\n", "/sys/kernel/security/lsm": "capability"}
    assert live.lockdown(machine(tmp_path / "c", others)).status is OK


def test_kernel(tmp_path: Path) -> None:
    def said(release: str, *, works: bool = False) -> Status:
        found = machine(tmp_path / f"{release}{works}", {"/proc/sys/kernel/osrelease": release + "\n"})
        return live.kernel(found, works=works).status

    assert said("5.7.19") is MISSING
    assert said("5.8.0-rc1") is OK
    assert said("4.18.0-553.el8_10.x86_64") is MISSING
    assert said("4.18.0-553.el8_10.x86_64", works=True) is OK  # with the newer kernel's BPF
    assert said("10.0") is OK
    assert live.kernel(machine(tmp_path / "x"), works=True).found == "Linux 6.1.0"


def test_btf(tmp_path: Path) -> None:
    name = "/sys/kernel/btf/vmlinux"
    missing = live.btf(machine(tmp_path / "a"))
    assert missing.status is MISSING
    assert "CONFIG_DEBUG_INFO_BTF" in missing.advice
    assert live.btf(machine(tmp_path / "b", {name: b"\x9f\xeb\x01"})).status is OK
    assert live.btf(machine(tmp_path / "c", {name: b""})).status is MISSING


def test_memlock(tmp_path: Path) -> None:
    limits = "Limit                     Soft Limit           Hard Limit           Units     \n"
    limits += "Max locked memory         65536                {:20} bytes     \n"
    old = {"/proc/sys/kernel/osrelease": "5.10.0-28-amd64\n"}
    few = {**old, **caps(38, 39, 2, 19), "/proc/self/limits": limits.format("65536")}
    check = live.memlock(machine(tmp_path / "a", few))
    assert (check.status, check.found, check.mend) == (LIMITED, "65536 bytes", "ulimit -l unlimited")
    assert live.memlock(machine(tmp_path / "b", {**few, "/proc/self/limits": limits.format("unlimited")})).status is OK
    assert live.memlock(machine(tmp_path / "c", {**few, **caps(24)})).status is OK
    assert live.memlock(machine(tmp_path / "d", {**few, "/proc/sys/kernel/osrelease": "5.11.0\n"})).status is OK


def test_tracefs(tmp_path: Path) -> None:
    assert "not needed" in live.tracefs(machine(tmp_path / "a")).found
    mounts = {"/proc/self/mounts": "tracefs /sys/kernel/tracing tracefs rw 0 0\n"}
    assert live.tracefs(machine(tmp_path / "b", mounts)).found == "/sys/kernel/tracing"


def test_a_namespace_of_ones_own(tmp_path: Path) -> None:
    inner = machine(tmp_path, links={"/proc/self/ns/pid": "pid:[4026532177]"})
    assert live.namespace(inner).status is MISSING
    assert "--pid=host" in live.namespace(inner).advice
    assert present.namespace(inner).status is LIMITED


def test_the_trial_decides(tmp_path: Path) -> None:
    here = machine(tmp_path)
    core = Trial("core", True, True, 30, 20, 5)
    bcc = Trial("bcc", False, False, error="needs bcc", hint="apt install python3-bpfcc")
    assert [check.status for check in live.probes(here, [core, bcc])] == [OK, LIMITED]
    failed = live.probes(here, [bcc])
    assert (failed[0].status, failed[0].mend) == (MISSING, "apt install python3-bpfcc")
    assert not Section(Purpose.LIVE, failed).works
    untried = Section(Purpose.LIVE, live.probes(here, []))
    assert (untried.verdict, untried.works) == (UNKNOWN, False)
    assert untried.checks[0].mend == "sudo ctrace doctor"


def test_what_another_loader_makes_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No libbpf: with bcc it is slower, without it is bad, and the command is there."""
    here = machine(tmp_path)
    monkeypatch.setattr("tracer.sources.ebpf.libbpf._candidates", lambda: iter(["libbpf-that-is-not-there.so.1"]))
    limited = live.core(here, ["bcc"])
    assert (limited.status, "libbpf" in limited.found) == (LIMITED, True)
    assert limited.mend.split()[1:2] == ["install"] or limited.advice
    assert "bcc loads" in limited.loss
    assert "cannot" in live.core(here, []).loss
    monkeypatch.setattr("tracer.sources.ebpf.bcc._PACKAGE_FOLDERS", ())
    monkeypatch.setitem(__import__("sys").modules, "bcc", None)
    assert (live.bcc(here, ["core"]).status, live.bcc(here, []).status) == (OK, LIMITED)


# ---- tree ----


@pytest.mark.parametrize(
    ("options", "status", "loss"),
    [
        ("", OK, ""),
        (",hidepid=off", OK, ""),
        (",hidepid=1", LIMITED, "no command line"),
        (",hidepid=noaccess", LIMITED, "no command line"),
        (",gid=5,hidepid=2", LIMITED, "only your own"),
        (",hidepid=invisible", LIMITED, "only your own"),
        (",hidepid=ptraceable", LIMITED, "only your own"),
    ],
)
def test_hidepid(tmp_path: Path, options: str, status: Status, loss: str) -> None:
    mounted: dict[str, str | bytes] = {"/proc/self/mountinfo": MOUNTINFO.format(options)}
    check = present.proc(machine(tmp_path / "user", {**NOT_ROOT, **mounted}))
    assert check.status is status
    assert loss in check.loss
    assert present.proc(machine(tmp_path / "root", mounted)).status is OK


def test_no_proc_at_all(tmp_path: Path) -> None:
    check = present.proc(Machine(tmp_path))
    assert check.status is MISSING
    assert check.mend.removeprefix("sudo ") == "mount -t proc proc /proc"


@pytest.mark.parametrize(
    ("mounts", "status", "said"),
    [
        ("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", OK, "version 2"),
        ("cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\ntmpfs /sys/fs/cgroup tmpfs ro 0 0\n", OK, "version 1"),
        (
            "cgroup /sys/fs/cgroup/systemd cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
            OK,
            "version 1 and 2 (hybrid)",
        ),
        ("proc /proc proc rw 0 0\n", LIMITED, "none"),
        ("tmpfs /mnt/\x85cgroup2\u2028cgroup2 /sys/fs/cgroup cgroup2 tmpfs rw 0 0\n", LIMITED, "none"),
        ("", UNKNOWN, "/proc does not tell"),
    ],
)
def test_cgroups(tmp_path: Path, mounts: str, status: Status, said: str) -> None:
    check = present.cgroups(machine(tmp_path, {"/proc/self/mounts": mounts}))
    assert (check.status, check.found) == (status, said)


def test_systemd_that_is_not_the_init(tmp_path: Path) -> None:
    check = present.systemd(machine(tmp_path))
    assert (check.status, check.found) == (LIMITED, "not the init here")
    assert "--kill-mode" in check.mend


# ---- runtimes ----


def test_a_runtime_that_runs_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "find_program", lambda _: None)
    here = machine(tmp_path, {"/proc/812/comm": "crio\n", "/proc/99/comm": "cat\n"})
    (tmp_path / "run/crio").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "run/crio/crio.sock"))
        server.listen()
        found = {check.name: check for check in runtimes.runtimes(here)}
    assert found["cri-o"].found == "running (812), /run/crio/crio.sock answers"
    assert found["other-runtimes"].found == "no containerd, no Docker, no podman"
    gone = {check.name: check for check in runtimes.runtimes(here)}
    assert gone["cri-o"].found == "running (812), /run/crio/crio.sock does not answer"


def test_no_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "find_program", lambda _: None)
    (only,) = runtimes.runtimes(machine(tmp_path))
    assert (only.title, only.found) == ("runtimes", "no containerd, no CRI-O, no Docker, no podman")


# ---- replay ----

HELP_4 = "usage: strace [-CdffhiqrtttTvVwxxy] [-I n] [-e expr]...\n"
HELP_5 = HELP_4 + "  --seccomp-bpf  enable seccomp-bpf filtering\n  --pidns-translation\n"
HELP_6 = HELP_5.replace("--pidns-translation", "--decode-pids=pidns")


@pytest.mark.parametrize(
    ("options", "start"),
    [
        (HELP_4, "strace -f -tt -e"),
        (HELP_5, "strace -f -tt --pidns-translation -e"),
        (HELP_6, "strace -f -tt --decode-pids=pidns -e"),
    ],
)
def test_the_strace_command_for_each_version(tmp_path: Path, options: str, start: str) -> None:
    (_, command), (_, running) = replay.commands(machine(tmp_path), options)
    assert command == f"{start} trace=process,prctl,unshare,setns -o strace.log COMMAND"
    assert running.startswith(start)
    assert running.endswith('-p "$(pidof containerd)"')
    user = replay.commands(machine(tmp_path / "user", NOT_ROOT), options)
    assert user[1][1] == f"sudo {running}"


def program(folder: Path, text: str) -> str:
    path = folder / "strace"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_an_old_strace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = program(tmp_path, 'test "$1" = -V && echo "strace -- version 4.26" || echo usage')
    monkeypatch.setattr(replay, "find_program", lambda _: old)
    monkeypatch.setattr("tracer.doctor.ask._only_root_changes", lambda _: True)
    check = replay.strace(machine(tmp_path / "m"))
    assert (check.status, check.found) == (LIMITED, "4.26")
    assert "clone3" in check.loss


def test_no_strace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "find_program", lambda _: None)
    check = replay.strace(machine(tmp_path))
    assert (check.status, check.found) == (LIMITED, "not installed")
    assert "install strace" in check.mend + check.advice


def test_commands_of_several_distributions_are_advice(tmp_path: Path) -> None:
    here = machine(tmp_path, NOT_ROOT)
    assert here.mending("apt install strace") == ("sudo apt install strace", "")
    several = "apt install strace (Debian, Ubuntu), dnf install strace (Fedora, Rocky)"
    assert here.mending(several) == ("", several)
    assert here.mending("Boot with lockdown=integrity") == ("", "Boot with lockdown=integrity")
