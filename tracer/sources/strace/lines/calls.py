"""The arguments of the calls that matter: text as strace prints it in, values out. No state.

Every form is read: symbolic, `-X raw` (numbers) and `-X verbose` (number and comment).
"""

from __future__ import annotations

import re

from tracer.event import CLONE_NEWPID, CLONE_PARENT, CLONE_THREAD, CLONE_UNTRACED, CLONE_VFORK, CLONE_VM, SIGCHLD
from tracer.identity import signal_number
from tracer.sources.strace.records import Program

# include/uapi/linux/sched.h; those that no rule needs are here so that nothing is dropped.
_CLONE_FLAGS = {
    b"CLONE_NEWTIME": 0x80,
    b"CLONE_VM": CLONE_VM,
    b"CLONE_FS": 0x200,
    b"CLONE_FILES": 0x400,
    b"CLONE_SIGHAND": 0x800,
    b"CLONE_PIDFD": 0x1000,
    b"CLONE_IDLETASK": 0x1000,
    b"CLONE_PTRACE": 0x2000,
    b"CLONE_VFORK": CLONE_VFORK,
    b"CLONE_PARENT": CLONE_PARENT,
    b"CLONE_THREAD": CLONE_THREAD,
    b"CLONE_NEWNS": 0x20000,
    b"CLONE_SYSVSEM": 0x40000,
    b"CLONE_SETTLS": 0x80000,
    b"CLONE_PARENT_SETTID": 0x100000,
    b"CLONE_CHILD_CLEARTID": 0x200000,
    b"CLONE_DETACHED": 0x400000,
    b"CLONE_UNTRACED": CLONE_UNTRACED,
    b"CLONE_CHILD_SETTID": 0x1000000,
    b"CLONE_NEWCGROUP": 0x2000000,
    b"CLONE_NEWUTS": 0x4000000,
    b"CLONE_NEWIPC": 0x8000000,
    b"CLONE_NEWUSER": 0x10000000,
    b"CLONE_NEWPID": CLONE_NEWPID,
    b"CLONE_NEWNET": 0x40000000,
    b"CLONE_IO": 0x80000000,
    b"CLONE_CLEAR_SIGHAND": 0x100000000,
    b"CLONE_INTO_CGROUP": 0x200000000,
}
FORK = (0, SIGCHLD)
VFORK = (CLONE_VFORK | CLONE_VM, SIGCHLD)

# include/uapi/linux/prctl.h
PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 1, 15, 36
_PRCTL = {
    b"PR_SET_PDEATHSIG": PR_SET_PDEATHSIG,
    b"PR_SET_NAME": PR_SET_NAME,
    b"PR_SET_CHILD_SUBREAPER": PR_SET_CHILD_SUBREAPER,
}

LONGEST_NAME = len("SIGVTALRM")
_NUMBER = re.compile(rb"-?(?:0[xX][0-9a-fA-F]{1,16}|0|[1-9]\d{0,17})")
_COMMENT = re.compile(rb" /\*[^*]*\*/")
_FLAGS = re.compile(rb"(?<![a-z_])flags=([A-Za-z0-9_|]+)")
_EXIT_SIGNAL = re.compile(rb"exit_signal=([A-Za-z0-9_]+)")
_NAME = rb"(?:\w+=)?"  # -N (strace 6.16): `execve(pathname="/bin/sh", argv=["sh"], envp=...)`
_STRING = rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"(\.\.\.)?'
_ARG = re.compile(rb"(?:" + _STRING + rb"|(\.\.\.)|(NULL|0x[0-9a-f]+))(, |\])", re.S)
_FD = rb"(AT_FDCWD|-?\d+)(?:<([^>\n]*)>)?"
_PATH = re.compile(
    _NAME + rb"(?:" + _FD + rb", " + _NAME + rb")?(?:" + _STRING + rb"|NULL|0x[0-9a-f]+), " + _NAME, re.S
)
_VALUE = re.compile(_NAME + rb"(-?(?:0[xX][0-9a-fA-F]+|0|[1-9]\d*|[A-Za-z_]\w*))")
_QUOTED = re.compile(_NAME + _STRING, re.S)
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))", re.S)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f", b"a": b"\a", b"b": b"\b", b"e": b"\x1b"}
_EXITED = re.compile(rb"WIFEXITED\(s\) && WEXITSTATUS\(s\) == (\d{1,18})")
_KILLED = re.compile(rb"WIFSIGNALED\(s\) && WTERMSIG\(s\) == (\w+)( && WCOREDUMP\(s\))?")
_LIVES_ON = re.compile(rb"WIFSTOPPED|WIFCONTINUED|CLD_STOPPED|CLD_CONTINUED|CLD_TRAPPED")
_SIGINFO = re.compile(
    rb"si_code=(\w+)(?: /\* (\w+) \*/)?, si_pid=(\d{1,18})(?:<[^,\n]*>)?(?: /\* (\d{1,18}) in strace's PID NS \*/)?"
)
_SI_STATUS = re.compile(rb"si_status=(\w+)")
_CHILD_ENDED = {b"CLD_EXITED": 1, b"CLD_KILLED": 2, b"CLD_DUMPED": 3, b"0x1": 1, b"0x2": 2, b"0x3": 3}
_CHILD_ENDED |= {b"1": 1, b"2": 2, b"3": 3}
_NS_INODE = re.compile(rb"<pid:\[(\d{1,18})\]>|pid_for_children:\[(\d{1,18})\]")
_SETNS = re.compile(rb"[^<,]*(?:<[^\n]*>)?, " + _NAME + rb"([A-Z0-9a-fx_|]+)")
_WAIT_OPTIONS = re.compile(
    rb", " + _NAME + rb"(?:(\w[\w|]*)|0)(?: /\*[^*]*\*/)?(?:, " + _NAME + rb"(?:NULL|0x[0-9a-f]+|\{.*\}))?\)\s*$"
)


def number(text: bytes) -> int | None:
    """`0x1f`, or decimal without zeros in front, with a sign; None for anything else."""
    if _NUMBER.fullmatch(text) is None:
        return None
    return int(text, 16) if b"x" in text.lower() else int(text)


def signal_value(text: bytes) -> int | None:
    """`SIGCHLD`, `17` or `0x11` to 17; also with the tracee's output behind the name (`2>&1`)."""
    value = number(text)
    if value is not None:
        return value
    name = text.decode("ascii", "replace")
    known = (signal_number(name[:end]) for end in range(min(len(name), LONGEST_NAME), len("SIG"), -1))
    return next((found for found in known if found is not None), None)


def clone_flags(args: bytes) -> tuple[int, int] | None:
    """(flags without the low byte, exit signal) of clone's or clone3's arguments; None where they are not there."""
    if b"/*" in args:
        args = _COMMENT.sub(b"", args)
    found = _FLAGS.search(args)
    if found is None:
        return None
    flags = 0
    exit_signal = 0
    for word in found[1].split(b"|"):
        bit = _CLONE_FLAGS.get(word)
        value = number(word) if bit is None else None
        if value is not None:
            flags |= value & ~0xFF
            exit_signal |= value & 0xFF
        elif bit is None and (signal := signal_value(word)) is not None:
            exit_signal = signal
        else:
            flags |= bit if bit is not None else _glued(word)
    own_field = _EXIT_SIGNAL.search(args)
    if own_field is not None:
        flags |= exit_signal & 0x80  # clone3 has no signal in its flags: CLONE_NEWTIME is that bit
        exit_signal = signal_value(own_field[1]) or 0
    return flags, exit_signal


def _glued(word: bytes) -> int:
    """The flag with which a word begins that the tracee's output was written behind (`2>&1`)."""
    names = [name for name in _CLONE_FLAGS if word.startswith(name)]
    return _CLONE_FLAGS[max(names, key=len)] if names else 0


def unescape(text: bytes) -> str:
    """A string as strace prints it, without its quotes; bytes that are no UTF-8 become `\\xNN`."""
    if b"\\" in text:
        text = _ESCAPE.sub(_escape, text)
    return text.decode("utf-8", "backslashreplace")


def _escape(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes((int(found[1], 16),))
    if found[2]:
        return bytes((int(found[2], 8) & 0xFF,))
    return _LETTERS.get(found[3], found[3])


def program(args: bytes) -> Program | None:
    """Filename and argv of execve's or execveat's arguments; None where they are cut off or no such thing."""
    path = _PATH.match(args)
    if path is None:
        return None
    fd, directory, name, name_cut = path.groups()
    filename = unescape(name) if name is not None else ""
    if fd is not None and not filename.startswith("/"):
        filename = _at(fd, directory, filename)
    pos = path.end()
    argv: list[str] = []
    cut = name_cut is not None
    if args[pos : pos + 1] != b"[":
        return filename, (), not args.startswith(b"NULL", pos)
    if args[pos : pos + 2] == b"[]":
        return filename, (), cut
    pos += 1
    while True:
        arg = _ARG.match(args, pos)
        if arg is None:
            return None
        text, text_cut, more, pointer, end = arg.groups()
        if text is not None:
            argv.append(unescape(text))
        cut = cut or text_cut is not None or more is not None or pointer is not None
        if end == b"]":
            return filename, tuple(argv), cut
        pos = arg.end()


def _at(fd: bytes, directory: bytes | None, name: str) -> str:
    """A path relative to a directory or file descriptor; strace shows what that is with -y."""
    base = unescape(directory) if directory is not None else ""
    if not name:
        return base or f"/proc/self/fd/{fd.decode()}"
    return f"{base.rstrip('/')}/{name}" if base else name


def wait_result(text: bytes) -> tuple[bool, int | None]:
    """(whether the child that a wait call returned has ended, its raw wait status where shown)."""
    exited = _EXITED.search(text)
    if exited is not None:
        return True, (int(exited[1]) & 0xFF) << 8
    killed = _KILLED.search(text)
    if killed is not None:
        value = signal_value(killed[1])
        return True, None if value is None else value | (0x80 if killed[2] else 0)
    if _LIVES_ON.search(text) is not None:
        return False, None
    # The status was not asked for or not decoded: then only a child that ended can have been returned, unless the
    # options ask for others too (wait4(2): WUNTRACED, WCONTINUED).
    options = _WAIT_OPTIONS.search(text)
    if options is None:
        return False, None
    value = number(options[1] or b"0")
    stops = bool(value & 0xA) if value is not None else b"WUNTRACED" in options[1] or b"WCONTINUED" in options[1]
    return not stops, None


_WAITID_OPTIONS = re.compile(rb"\}, " + _NAME + rb"(\w[\w|]*)(?: /\*[^*]*\*/)?, ")
_WNOWAIT = 0x01000000


def leaves_zombie(args: bytes) -> bool:
    """waitid's options: does the child stay a zombie?"""
    options = _WAITID_OPTIONS.search(args)
    return b"WNOWAIT" in args or (options is not None and bool((number(options[1]) or 0) & _WNOWAIT))


def child_info(text: bytes) -> tuple[int, int, int | None] | None:
    """(child, strace's number for it or 0, raw wait status) of a siginfo that tells of a child's end; else None."""
    info = _SIGINFO.search(text)
    if info is None:
        return None
    how = _CHILD_ENDED.get(info[1]) or _CHILD_ENDED.get(info[2] or b"")
    if how is None:
        return None
    shown = _SI_STATUS.search(text, info.end())
    status = None
    if shown is not None:
        value = signal_value(shown[1])
        if value is not None:
            status = (value & 0xFF) << 8 if how == 1 else (value & 0x7F) | (0x80 if how == 3 else 0)
    return int(info[3]), int(info[4] or 0), status


def prctl(args: bytes) -> tuple[int, bytes] | None:
    """(option, second argument's text) for the three options that matter; else None."""
    option, _, rest = args.partition(b", ")
    option = option[option.find(b"=") + 1 :].rstrip(b")")
    known = _PRCTL.get(option)
    if known is None:
        value, _, comment = option.partition(b" ")
        known = _PRCTL.get(comment.strip(b"/* "), number(value) or 0)
        if known not in (PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_CHILD_SUBREAPER):
            return None
    return known, rest


def first_value(rest: bytes) -> bytes:
    """The first argument: up to a comma, a bracket, a comment, or what cannot be of it."""
    found = _VALUE.match(rest)
    return found[1] if found is not None else b""


def quoted(rest: bytes) -> str | None:
    """The first argument as a string."""
    found = _QUOTED.match(rest)
    return unescape(found[1]) if found is not None else None


def has_newpid(args: bytes) -> bool:
    """unshare's flags: is CLONE_NEWPID among them?"""
    words = re.split(rb"[|()= ]", args)
    return any(word.startswith(b"CLONE_NEWPID") or (number(word) or 0) & CLONE_NEWPID for word in words)


def joins_pid_ns(args: bytes) -> int | None:
    """setns: the namespace's inode number (0: not shown) if it is known to be a pid namespace, -1 if it may be one;
    else None."""
    inode = _NS_INODE.search(args)
    if inode is not None:
        return int(inode[1] or inode[2])
    kind = _SETNS.match(args)
    if kind is None:
        return None
    return 0 if has_newpid(kind[1]) else -1 if kind[1] == b"0" and b"<" not in args else None
