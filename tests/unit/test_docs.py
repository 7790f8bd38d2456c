"""The documents: their outputs are what the commands print now, and their links lead somewhere.

Where this fails after a wanted change: `make docs`, and read what changed.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest

from docs import make_cli, make_outputs

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*make_outputs.documents(), ROOT / "fixtures" / "README.md"]

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```|^ {4}.*?$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def assert_same(path: Path, new: str) -> None:
    old = path.read_text(encoding="utf-8")
    difference = difflib.unified_diff(
        old.splitlines(), new.splitlines(), name_of(path), "as it is now", lineterm="", n=1
    )
    assert new == old, "run `make docs`\n" + "\n".join(list(difference)[:40])


@pytest.mark.parametrize("path", make_outputs.documents(), ids=name_of)
def test_outputs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if not (ROOT / ".venv" / ".run").exists():
        # `make run` would set up an environment first.
        text = re.sub(r"<!-- output: make run -->.*?<!-- /output -->\n", "", text, flags=re.DOTALL)
    new = make_outputs.renewed(text, set())
    difference = difflib.unified_diff(
        text.splitlines(), new.splitlines(), name_of(path), "as it is now", lineterm="", n=1
    )
    assert new == text, "run `make docs`\n" + "\n".join(list(difference)[:40])


@pytest.mark.parametrize("path", make_outputs.documents(), ids=name_of)
def test_no_output_is_missing(path: Path) -> None:
    """Nobody forgot to run those that need root or take long, or the end of a block."""
    text = path.read_text(encoding="utf-8")
    assert len(re.findall(r"^<!-- output", text, re.MULTILINE)) == len(
        re.findall(r"^<!-- /output -->$", text, re.MULTILINE)
    )
    assert not re.search(r"^<!-- output[^\n]*-->\n<!-- /output -->", text, re.MULTILINE)


@pytest.mark.parametrize("path", [make_outputs.PICTURE, make_outputs.LISTING], ids=name_of)
def test_pictures(path: Path) -> None:
    assert_same(path, make_outputs.picture() if path == make_outputs.PICTURE else make_outputs.listing())


@pytest.mark.parametrize("path", [make_cli.REFERENCE, make_cli.MANUAL], ids=name_of)
def test_command_line(path: Path) -> None:
    assert_same(path, make_cli.made()[path])


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links(path: Path) -> None:
    for target in _LINK.findall(_CODE.sub("", path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, heading = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), f"{target}: no such file"
        if heading:
            assert heading in {_slug(h) for h in _HEADING.findall(found.read_text(encoding="utf-8"))}, (
                f"{target}: no such heading"
            )


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_document_can_be_found() -> None:
    """README.md leads to each, directly or by another."""
    seen: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        path = todo.pop()
        if path in seen or path.suffix != ".md":
            continue
        seen.add(path)
        links = (
            t.partition("#")[0] for t in _LINK.findall(path.read_text(encoding="utf-8")) if not re.match(r"[a-z]+:", t)
        )
        todo += [(path.parent / t).resolve() for t in links if t]
    assert not [name_of(p) for p in DOCUMENTS if p not in seen]
