"""Text from traced processes, made safe to print.

Names, arguments and paths come from whoever ran the process. A terminal obeys control characters, and bidi or
invisible characters make a name look like another; both are shown as visible escapes instead.
"""

from __future__ import annotations


def clean(text: str) -> str:
    r"""The text with everything that is not plainly visible escaped: `\x1b`, `\u202e`, `\U000e0041`.

    That is every character of the categories control, format (bidi and zero-width), surrogate, private, unassigned,
    and every separator but the space. A lone surrogate that stands for an undecodable byte (U+DC80 to U+DCFF,
    PEP 383) is shown as that byte: `\xff`. A backslash stays as it is.
    """
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else _escape(ord(char)) for char in text])


def clean_surrogates(text: str) -> str:
    """The text with lone surrogates escaped and all else kept: what JSON (its own escapes apart) can carry."""
    if text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return "".join([_escape(ord(char)) if "\ud800" <= char <= "\udfff" else char for char in text])


def _escape(point: int) -> str:
    if 0xDC80 <= point <= 0xDCFF:
        point -= 0xDC00
    if point <= 0xFF:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
