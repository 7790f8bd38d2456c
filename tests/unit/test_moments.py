from __future__ import annotations

import pytest

from tests.script import SECOND
from tracer.errors import UsageError
from tracer.identity import Moment
from tracer.moments import check_clock, parse_moment
from tracer.sources.base import SourceInfo


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("120", Moment(line=120)),
        ("05:17:35.5", Moment(time=((5 * 60 + 17) * 60 + 35) * SECOND + SECOND // 2)),
        ("5:17:35", Moment(time=((5 * 60 + 17) * 60 + 35) * SECOND)),
        ("+1d 00:00:01", Moment(time=86_401 * SECOND)),
        ("1130322148.939977", Moment(time=1_130_322_148_939_977_000)),
        ("0.5", Moment(time=SECOND // 2)),
    ],
)
def test_forms(text: str, moment: Moment) -> None:
    assert parse_moment(text) == moment


@pytest.mark.parametrize("text", ["", "noon", "-5", "05:17", "5:61:00", "1e9", "١٢٠", "12.x", "1.0000000001"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(UsageError):
        parse_moment(text)


def test_the_clock_must_be_the_same() -> None:
    day, epoch, none = (SourceInfo("strace", "x", 1, clock) for clock in ("day", "epoch", None))
    check_clock(parse_moment("05:17:35"), "05:17:35", day)
    check_clock(parse_moment("1.5"), "1.5", epoch)
    check_clock(parse_moment("7"), "7", none)
    for text, info in (("05:17:35", epoch), ("1.5", day), ("1.5", none), ("05:17:35", none)):
        with pytest.raises(UsageError):
            check_clock(parse_moment(text), text, info)
