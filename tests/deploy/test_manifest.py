"""The DaemonSet asks for the least that works: each capability is needed, and nothing else is."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import kubernetes_validate
import pytest

from tests.deploy.manifest import CAPABILITIES, PATH, confined, container, objects, pod
from tests.live.harness import running, wait_until
from tests.live.watching import ARGV
from tracer.cli import cli
from tracer.cli.record import record
from tracer.sources.proc import read_process

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives up root's capabilities, so needs them")
AS_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


def test_it_is_what_kubernetes_understands() -> None:
    for thing in objects():
        kubernetes_validate.validate(thing, "1.31", strict=True)


def test_it_asks_for_nothing_else() -> None:
    context = container()["securityContext"]
    assert context["capabilities"]["drop"] == ["ALL"]
    assert sorted(CAPABILITIES) == ["BPF", "PERFMON", "SYS_PTRACE"]
    assert not context.get("privileged")
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod()["hostPID"] is True
    assert not pod().get("hostNetwork")
    assert not pod().get("hostIPC")
    assert pod()["automountServiceAccountToken"] is False
    assert [list(volume) for volume in pod()["volumes"]] == [["name", "emptyDir"]], "nothing of the node is mounted"
    assert container()["resources"]["limits"]["memory"]


def test_its_command_line_is_understood() -> None:
    name, *args = container()["args"]
    assert name == "record"
    # Under the group's context, since a command keeps the help option that it is first asked for.
    parameters = record.make_context("record", list(args), parent=click.Context(cli, **cli.context_settings)).params
    assert (parameters["target"], parameters["duration"], parameters["force"]) == (None, 86400, True)
    (mount,) = container()["volumeMounts"]
    assert parameters["output"].startswith(mount["mountPath"] + "/")


def watch(without: str = "") -> tuple[dict[str, object], list[dict[str, object]]]:
    """What is told of a process of another user, and all lines."""
    with running([*AS_NOBODY, "sleep", "60"]) as theirs:
        wait_until(lambda: (p := read_process(theirs.pid)) is not None and p.exe.endswith("sleep"), "it execs")
        command = [*ARGV, "watch", "--all", "--loader", "core", "--format", "jsonl", "--duration", "1", "--verify"]
        done = subprocess.run(
            confined(*command, without=without), capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        (found,) = [line for line in lines if line["event"] == "found" and line["pid"] == theirs.pid]
    return found, lines


@needs_root
@pytest.mark.live
def test_these_capabilities_are_enough() -> None:
    found, lines = watch()
    assert str(found["exe"]).endswith("/sleep")
    assert lines[-2]["event"] == "verified"
    assert lines[-2]["differences"] == []


@needs_root
@pytest.mark.live
def test_without_sys_ptrace_paths_of_others_programs_are_missing() -> None:
    found, _ = watch(without="SYS_PTRACE")
    assert found["exe"] == ""


@needs_root
@pytest.mark.live
@pytest.mark.parametrize("name", ["BPF", "PERFMON"])
def test_without_this_the_kernel_refuses_the_probes(name: str) -> None:
    """The kernel, and not only our own look at the capabilities before."""
    ask = [
        sys.executable,
        "-c",
        "import tracer.sources.ebpf.core as c; c.check_privileges = int; c.CoreProbes(1 << 16)",
    ]
    assert subprocess.run(confined(*ask), capture_output=True, timeout=60, check=False).returncode == 0
    refused = subprocess.run(confined(*ask, without=name), capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode != 0
    assert "refuses the bpf system call" in refused.stderr
    command = confined(*ARGV, "watch", "--all", "--duration", "1", without=name)
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 1
    assert "CAP_BPF and CAP_PERFMON" in told.stderr


def test_the_documents_name_the_same() -> None:
    text = (PATH.parent / "Containerfile").read_text()
    assert f"--cap-add={','.join(CAPABILITIES)}" in text
