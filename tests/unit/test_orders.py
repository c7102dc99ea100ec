from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from verification.orders import orders_since, timestamp

MOMENT = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)


def line(seconds: float, message: str) -> str:
    return f"{(MOMENT + timedelta(seconds=seconds)).isoformat().replace('+00:00', 'Z')} {message}"


def received(seconds: float, number: int) -> str:
    return line(seconds, f"Got a new order! Order ID: {number}")


def persisted(seconds: float, number: int) -> str:
    return line(seconds, f"Successfully persisted state for Order ID: {number}")


def test_orders_are_counted_as_received_and_as_persisted() -> None:
    orders = orders_since([received(1, 7), persisted(2, 7), received(3, 8)], MOMENT)
    assert orders.received == 2
    assert orders.persisted == (7,)


def test_lines_from_before_the_moment_do_not_count() -> None:
    orders = orders_since([received(-1, 1), persisted(-0.000001, 1), received(0, 2), persisted(1, 2)], MOMENT)
    assert (orders.received, orders.persisted) == (1, (2,))


def test_ids_say_nothing_about_time() -> None:
    orders = orders_since([persisted(1, 99), persisted(2, 1), persisted(3, 2)], MOMENT)
    assert orders.persisted == (99, 1, 2), "the caller counts from 1 again after a restart"


@pytest.mark.parametrize(
    "noise",
    [
        "",
        "no timestamp: Got a new order! Order ID: 1",
        "Got a new order! Order ID: 1",
        line(1, "Failed to persist order Order ID: 1"),
        line(1, "Got a new order!"),
        line(1, "Got a new order! Order ID: none"),
        line(1, ""),
        line(1, "").strip(),
    ],
)
def test_other_lines_are_no_orders(noise: str) -> None:
    orders = orders_since([noise], MOMENT)
    assert (orders.received, orders.persisted) == (0, ())


def test_a_log_without_lines_has_no_orders() -> None:
    assert orders_since([], MOMENT).received == 0


def test_a_line_may_carry_more_than_the_message() -> None:
    assert orders_since([line(1, "[node] Got a new order! Order ID: 5 (python)")], MOMENT).received == 1


# --- timestamps -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2024-05-01T12:00:00Z", 0),
        ("2024-05-01T12:00:00.5Z", 500000),
        ("2024-05-01T12:00:00.123456Z", 123456),
        ("2024-05-01T12:00:00.123456789Z", 123456),
        ("2024-05-01T12:00:00.000000999Z", 0),
        ("2024-05-01T14:00:00.5+02:00", 500000),
        ("2024-05-01T06:30:00-05:30", 0),
    ],
)
def test_timestamps_are_read_down_to_microseconds(text: str, microsecond: int) -> None:
    assert timestamp(text) == MOMENT.replace(microsecond=microsecond)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2024-05-01",
        "2024-05-01 12:00:00Z",
        "2024-05-01T12:00:00",
        "2024-05-01T12:00:00.Z",
        "2024-05-01T12:00:00.1234567890Z",
        "2024-05-01T12:00:00Zzz",
        "2024-13-01T12:00:00Z",
        "2024-02-30T12:00:00Z",
        "2024-05-01T24:00:01Z",
        "2024-05-01T12:00:00+99:00",
    ],
)
def test_anything_else_is_no_timestamp(text: str) -> None:
    assert timestamp(text) is None


@given(st.text())
@example("0001-01-01T00:00:00+23:59")
@example("٢٠٢٤-05-01T12:00:00Z")
def test_no_line_of_a_log_can_make_the_reader_fail(text: str) -> None:
    assert timestamp(text) is None


@given(st.from_regex(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)\Z"))
def test_what_only_looks_like_a_timestamp_is_read_or_refused(text: str) -> None:
    found = timestamp(text)
    assert found is None or found.tzinfo is UTC


ordinary = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1))


@given(
    moment=ordinary,
    offset=st.integers(min_value=-14 * 60, max_value=14 * 60),
    nanoseconds=st.integers(min_value=0, max_value=999),
)
def test_every_moment_is_read_back_whatever_its_zone_and_precision(
    moment: datetime, offset: int, nanoseconds: int
) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    stamp = f"{zoned.strftime('%Y-%m-%dT%H:%M:%S')}.{zoned.microsecond:06d}{nanoseconds:03d}{zoned.isoformat()[-6:]}"
    assert timestamp(stamp) == zoned


@given(moment=ordinary, digits=st.integers(min_value=1, max_value=9))
def test_trailing_zeros_may_be_left_out_as_go_does(moment: datetime, digits: int) -> None:
    fraction = f"{moment.microsecond:06d}000"[:digits]
    exact = moment.replace(microsecond=int(fraction[:6].ljust(6, "0")), tzinfo=UTC)
    assert timestamp(f"{moment.strftime('%Y-%m-%dT%H:%M:%S')}.{fraction}Z") == exact
