from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tracer.clean import clean, clean_surrogates

ANY_TEXT = st.text(st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"]))


def test_what_terminals_obey_becomes_visible() -> None:
    assert clean("\x1b[31mred\x07") == "\\x1b[31mred\\x07"
    assert clean("a\nb\tc\x7f\x9b") == "a\\x0ab\\x09c\\x7f\\x9b"
    assert clean("\u202egpj.exe\u2066\u200f\u061c") == "\\u202egpj.exe\\u2066\\u200f\\u061c"
    assert clean("a\u2028b\u2029c\u200bd\ufeff") == "a\\u2028b\\u2029c\\u200bd\\ufeff"
    assert clean("\U000e0041") == "\\U000e0041"


def test_undecodable_bytes_are_shown_as_bytes() -> None:
    assert clean(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf\\xe9"
    assert clean(b"\x80\xff".decode("utf-8", "surrogateescape")) == "\\x80\\xff"
    assert clean("\ud800\udc7f\udd00") == "\\ud800\\udc7f\\udd00"


def test_plain_text_stays() -> None:
    for text in ("nginx: worker process", "[bold]sh[/x]", ":smile:", "café 日本語", "back\\slash", "─│"):
        assert clean(text) is text


@given(ANY_TEXT)
def test_nothing_unprintable_is_left(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.isprintable()
    cleaned.encode("utf-8")
    assert not {unicodedata.bidirectional(c) for c in cleaned} & {
        "LRE",
        "RLE",
        "PDF",
        "LRO",
        "RLO",
        "LRI",
        "RLI",
        "PDI",
    }
    assert clean(cleaned) == cleaned


@given(ANY_TEXT)
def test_clean_surrogates_changes_nothing_else(text: str) -> None:
    cleaned = clean_surrogates(text)
    cleaned.encode("utf-8")
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert cleaned == text
