"""Hypothesis strategies for logs: from nearly right to nonsense, with names that attack the reader and the screen."""

# ruff: noqa: E501
from __future__ import annotations

from hypothesis import strategies as st

NASTY = (
    "a", "", " ", "x <unfinished ...>", "<... clone resumed>", ") = 7", "= 0", "[pid 3] fork() = 9", "q\\\"uote", "\\\\",
    "+++ exited with 0 +++", "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=4} ---", "...", ", ...], 0x0",
    "strace: Process 4 attached", "[bold red]x[/]", "[/x]", ":smile:", "\\33[31m", "\x1b[2J", "\x9b31m", "\x07", "\x7f",
    "\u202egnp.exe", "\u200b", "\u2066", "\ufeff", "\U000e0041", "\r", "\x0b", "\x85", "\u2028", "\x00", "\ud800", "é", "日本",
    "\\303\\251", "\\xff\\xfe", "%s%n", "<script>", "\"; drop", "a" * 300, "/* 7 in strace's PID NS */", "<pid changed to 3 ...>",
)  # fmt: skip
_text = st.one_of(st.sampled_from(NASTY), st.text(max_size=12))
_tid = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 100, 99999])
_flags = st.sampled_from(
    [
        "SIGCHLD",
        "CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM",
        "CLONE_PARENT|SIGCHLD",
        "CLONE_NEWPID|SIGCHLD",
        "CLONE_VM|CLONE_VFORK|SIGCHLD",
        "0",
        "0x20000011",
        "CLONE_???",
        "",
    ]
)
_end = st.sampled_from(
    [" = {n}", " = {n}", " = {n}", " <unfinished ...>", " = ?", " = -1 EAGAIN (x)", " = 0", "", " = {n} <0.01>",
     " = {n} /* 5 in strace's PID NS */", " = ? ERESTARTNOINTR (To be restarted)", " = 4 (INJECTED)"]
)  # fmt: skip
_statement = st.one_of(
    st.builds(lambda f, e: f"clone(child_stack=NULL, flags={f}){e}", _flags, _end),
    st.builds(
        lambda f, e: f"clone3({{flags={f}, exit_signal=SIGCHLD, stack=NULL, stack_size=0}}, 88){e}", _flags, _end
    ),
    st.builds(lambda n, e: f"{n}({e}", st.sampled_from(["fork", "vfork"]), _end),
    st.builds(
        lambda n, e: f"<... {n} resumed>){e}",
        st.sampled_from(["clone", "fork", "vfork", "execve", "wait4", "prctl"]),
        _end,
    ),
    st.builds(lambda p, a, b, e: f'execve("/{p}", ["{a}", "{b}"], 0x7ffc /* 2 vars */){e}', _text, _text, _text, _end),
    st.builds(lambda c, n: f"{c}({n}) = ?", st.sampled_from(["exit", "exit_group"]), st.integers(-1, 256)),
    st.builds(lambda n: f"+++ exited with {n} +++", st.integers(-1, 300)),
    st.builds(
        lambda n: f"+++ killed by {n} +++", st.sampled_from(["SIGKILL", "SIGABRT (core dumped)", "SIGRT_3", "x"])
    ),
    st.builds(lambda n: f"+++ superseded by execve in pid {n} +++", _tid),
    st.builds(lambda n: f"<pid changed to {n} ...>", _tid),
    st.builds(lambda n, e: f"wait4({n}, [{{WIFEXITED(s) && WEXITSTATUS(s) == 0}}], 0, NULL){e}", _tid, _end),
    st.builds(lambda n: f"--- SIGCHLD {{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid={n}, si_status=0}} ---", _tid),
    st.builds(lambda n, e: f"prctl(PR_SET_CHILD_SUBREAPER, {n}){e}", st.sampled_from(["0", "1", "x"]), _end),
    st.builds(lambda n, e: f"prctl(PR_SET_PDEATHSIG, {n}){e}", st.sampled_from(["0", "SIGKILL", "SIGFOO"]), _end),
    st.builds(lambda n, e: f'prctl(PR_SET_NAME, "{n}"){e}', _text, _end),
    st.builds(lambda e: f"unshare(CLONE_NEWPID){e}", _end),
    st.builds(lambda t, e: f"setns(3<{t}>, CLONE_NEWPID){e}", _text, _end),
    st.builds(lambda a, b, e: f"tgkill({a}, {b}, SIGTERM){e}", _tid, _tid, _end),
    st.builds(lambda n: f"strace: Process {n} attached", _tid),
    st.builds(lambda n: f"strace: Process {n} detached", _tid),
    _text,
)
_line = st.builds(lambda s, n: s.replace("{n}", str(n)), _statement, _tid)
_PREFIXES = {
    "file": "{t:<5} ",
    "terminal": "[pid {t}] ",
    "comm": "{t}<a b> ",
    "time": "{t:<5} 12:00:00.{n:06} ",
    "unix": "{t:<5} 1700000000.{n:06} ",
    "decorated": "{t} 0.{n:06} [  59] [00007f12deadbeef] ",
}


@st.composite
def logs(draw: st.DrawFn) -> bytes:
    """A log of up to 40 lines in one style, now and then with something broken."""
    style = draw(st.sampled_from(sorted(_PREFIXES)))
    lines = draw(st.lists(st.tuples(_tid, _line, st.integers(0, 9)), min_size=1, max_size=40))
    out = ['5     execve("/bin/t", ["t"], 0x7ff /* 1 var */) = 0'] if draw(st.booleans()) else []
    for i, (tid, text, quirk) in enumerate(lines):
        prefix = "" if quirk == 0 else _PREFIXES[style].format(t=tid, n=i)
        out.append(prefix + text)
    raw = "\n".join(out).encode("utf-8", "surrogatepass") + b"\n"
    if draw(st.integers(0, 5)) == 0:
        place = draw(st.integers(0, len(raw)))
        raw = raw[:place] + draw(st.binary(max_size=4)) + raw[place + draw(st.integers(0, 3)) :]
    return raw
