"""Which of a process's cgroups tells most."""

from __future__ import annotations

import pytest

from tracer.sources.proc_cgroup import hierarchy_to_follow, unified_cgroup

ID = "c8b394369634a6c6755d4e9094907a92c8b394369634a6c6755d4e9094907a92"


def test_of_several_hierarchies_the_one_that_names_the_container_is_chosen() -> None:
    text = f"9:name=systemd:/kubepods/pod1/{ID}\n1:cpu:/kubepods/pod1/{ID}\n0::/system.slice/containerd.service\n"
    assert unified_cgroup(text) == f"/kubepods/pod1/{ID}"
    assert unified_cgroup(f"9:name=systemd:/\n1:cpu:/docker/{ID}\n0::/\n") == f"/docker/{ID}"


def test_without_a_container_version_2_comes_first_and_then_systemds_hierarchy() -> None:
    text = "9:name=systemd:/system.slice/a.service\n4:memory:/some/where/else\n0::/system.slice/b.service\n"
    assert unified_cgroup(text) == "/system.slice/b.service"
    assert unified_cgroup(text.partition("0::")[0]) == "/system.slice/a.service"
    assert unified_cgroup("9:name=systemd:/\n4:memory:/some/where\n0::/\n") == "/some/where"
    assert unified_cgroup("0::/a:b/c:d\n") == "/a:b/c:d"
    assert unified_cgroup("0::/\n") == "/"
    assert unified_cgroup("") == ""


@pytest.mark.parametrize("separator", "\v\f\r\x1c\x1d\x1e\x85\u2028\u2029")
def test_what_is_a_new_line_to_others_does_not_let_a_name_pretend_to_be_another_cgroup(separator: str) -> None:
    """Who may make a cgroup chooses its name; only newlines are forbidden."""
    text = f"9:name=systemd:/\n0::/user.slice/x{separator}0::/kubepods/{ID}\n"
    assert unified_cgroup(text) == f"/user.slice/x{separator}0::/kubepods/{ID}"
    assert hierarchy_to_follow(f"0::/x{separator}a:name=systemd:/y\n9:pids:/\n") == 9
