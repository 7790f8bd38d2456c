"""Write every output in the documents anew, from the commands themselves: python docs/make_outputs.py

In README.md and docs/*.md an output stands between two comments:

    <!-- output: ctrace replay fixtures/logs/containerd-pod/strace.log -->
    (a fenced block, replaced)
    <!-- /output -->

The command runs in bash at the top of the repository, on a terminal of 100 columns without colours. Words between
`output` and the colon change that:

    python      run the nearest Python block above instead; the comment has no command
    quiet       leave out the line with the command
    head=N      only the first N lines, then `...`; tail=N: `...`, then the last N
    as=TEXT     show TEXT (with + for a blank) as the command
    root        a command of the live scene, make_live.py  } made only with --root, --slow;
    slow        changes from run to run, or takes long     } never checked by the tests; slow ones are seen as they run

Also made: img/replay.svg, examples/ps.txt, and with docs/make_cli.py reference/cli.md and ctrace.1. With --check
nothing is written, and the exit code is 1 where something would change.
"""

from __future__ import annotations

import argparse
import difflib
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = 100
PICTURE = ROOT / "docs" / "img" / "replay.svg"
PICTURED = "ctrace replay fixtures/logs/containerd-pod/strace.log"
LISTING = ROOT / "docs" / "examples" / "ps.txt"
TRUTH = ROOT / "fixtures" / "logs" / "containerd-pod" / "truth-strace.json"

_BLOCK = re.compile(
    r"(?P<head><!-- output(?P<words>[^:\n]*?):(?P<command>[^\n]*?) ?-->\n)(?P<body>.*?)(?P<end><!-- /output -->)",
    re.DOTALL,
)
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def documents() -> list[Path]:
    """Every document that may have outputs."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def run_on_terminal(command: str, *, colours: bool = False, aloud: bool = False) -> str:
    """What the command prints on a terminal, then what it writes to stderr. `aloud`: our stderr has it at once, too."""
    return _run(["bash", "-c", command], colours=colours, aloud=aloud)


def _run(argv: list[str], *, colours: bool = False, aloud: bool = False) -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    chunks: list[bytes] = []
    reader = threading.Thread(target=_drain, args=(ours, chunks, aloud))
    process = subprocess.Popen(
        argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE, env=_environment(colours)
    )
    os.close(theirs)
    reader.start()
    _, errors = process.communicate(timeout=1800)
    reader.join()
    os.close(ours)
    return b"".join(chunks).decode() + errors.decode()


def _drain(terminal: int, chunks: list[bytes], aloud: bool) -> None:
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # EIO: the last one who had the other side open is gone
            return
        if not chunk:
            return
        chunks.append(chunk)
        if aloud:
            os.write(2, chunk)


def _environment(colours: bool) -> dict[str, str]:
    kept = {name: v for name, v in os.environ.items() if name in ("HOME", "VIRTUAL_ENV") or name.startswith("PIP_")}
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    look = {"TERM": "xterm-256color", "COLORTERM": "truecolor"} if colours else {"TERM": "xterm", "NO_COLOR": "1"}
    return {**kept, "PATH": path, "LC_ALL": "C.UTF-8", **look}


def _shown(command: str, output: str, words: dict[str, str]) -> str:
    if "Traceback (most recent call last)" in output or "make: *** " in output:
        raise RuntimeError(f"{command or 'python'} fails:\n{output}")
    lines = [line.rstrip() for line in output.rstrip("\n").split("\n")]
    if "head" in words and len(lines) > int(words["head"]):
        lines = [*lines[: int(words["head"])], "..."]
    if "tail" in words and len(lines) > int(words["tail"]):
        lines = ["...", *lines[-int(words["tail"]) :]]
    if "quiet" not in words and "python" not in words:
        lines.insert(0, f"$ {words.get('as', '').replace('+', ' ') or command}")
    return "```text\n" + "\n".join(lines) + "\n```\n"


def renewed(text: str, allowed: set[str]) -> str:
    """The document with every output made anew that needs nothing beyond `allowed`."""
    live: Mapping[str, str] = {}
    if "root" in allowed and "<!-- output root" in text:
        from docs import make_live

        live = make_live.play(run_on_terminal)

    def renew(match: re.Match[str]) -> str:
        words = {word.partition("=")[0]: word.partition("=")[2] for word in match["words"].split()}
        if not words.keys() & {"root", "slow"} <= allowed:
            return match[0]
        command = match["command"].strip()
        if "python" in words:
            programs = _PYTHON.findall(text, 0, match.start())
            output = _run([sys.executable, "-c", programs[-1]])
        else:
            output = live[command] if "root" in words else run_on_terminal(command, aloud="slow" in words)
        return match["head"] + _shown(command, output, words) + match["end"]

    return _BLOCK.sub(renew, text)


def picture() -> str:
    """The picture in README.md: what the command shows in colour."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(run_on_terminal(PICTURED, colours=True).rstrip("\n")))
    svg = console.export_svg(title=PICTURED, unique_id="ctrace")
    # The viewer's own fonts will do: nothing is to be fetched.
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE).rstrip("\n") + "\n"


def listing() -> str:
    """What /proc of the recorded node said, as `ps -eo pid,ppid,comm` prints it."""
    processes = json.loads(TRUTH.read_text(encoding="utf-8"))["processes"]
    rows = [f"{p['pid']:>7} {p['ppid']:>7} {p['comm']}" for p in processes]
    return "\n".join(["    PID    PPID COMMAND", *rows]) + "\n"


def made(allowed: set[str]) -> dict[Path, str]:
    """Every file and what it shall contain."""
    sys.path.insert(0, str(ROOT))
    from docs import make_cli

    files = {path: renewed(path.read_text(encoding="utf-8"), allowed) for path in documents()}
    return {**files, PICTURE: picture(), LISTING: listing(), **make_cli.made()}


def main() -> int:
    """Write, or check, all of them."""
    parser = argparse.ArgumentParser(description="Write every output in the documents anew.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where something differs")
    parser.add_argument("--root", action="store_true", help="also what needs root and eBPF")
    parser.add_argument("--slow", action="store_true", help="also what takes long or changes from run to run")
    options = parser.parse_args()
    differs = False
    for path, new in made({name for name in ("root", "slow") if getattr(options, name)}).items():
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if new == old:
            continue
        differs = True
        name = str(path.relative_to(ROOT))
        print(f"{name}: {'differs' if options.check else 'written'}")
        if options.check:
            sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True), name, name, n=1))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(new, encoding="utf-8")
    return int(differs and options.check)


if __name__ == "__main__":
    sys.exit(main())
