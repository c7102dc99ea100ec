"""redis.conf, read back as Redis reads it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model import redis

HEX = "0123456789abcdefABCDEF"
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}


def words(line: str) -> list[str]:
    r"""One line of redis.conf, split as Redis's sdssplitargs does: double quotes know ``\xHH`` and C's escapes."""
    found: list[bytes] = []
    at = 0
    while True:
        while at < len(line) and line[at].isspace():
            at += 1
        if at == len(line):
            return [word.decode() for word in found]
        word = bytearray()
        quoted = False
        while at < len(line) and (quoted or not line[at].isspace()):
            char = line[at]
            if quoted and char == "\\" and line[at + 1] == "x" and line[at + 2] in HEX and line[at + 3] in HEX:
                word.append(int(line[at + 2 : at + 4], 16))
                at += 3
            elif quoted and char == "\\":
                at += 1
                word += ESCAPES.get(line[at], line[at]).encode()
            elif char == '"' and quoted:
                quoted = False
                assert at + 1 == len(line) or line[at + 1].isspace(), "Redis refuses a closing quote inside a word"
            elif char == '"':
                quoted = True
            else:
                word += char.encode()
            at += 1
        assert not quoted, "Redis refuses quotes that are not closed"
        found.append(bytes(word))


passwords = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(passwords)
@example("correct horse 'battery' \"staple\"")
@example('" nosave\nrequirepass "')
@example("\\x41\\")
@example("#not a comment")
@example("pässwörd ✓ 🂡")
@example("\r\n\t\x00\x7f")
def test_redis_reads_back_exactly_the_password_that_was_written(password: str) -> None:
    lines = [words(line) for line in redis.configuration(password).split("\n") if line]
    assert lines == [["requirepass", password], ["save", ""], ["appendonly", "no"]]


@given(passwords)
def test_no_password_can_add_a_line(password: str) -> None:
    text = redis.configuration(password)
    # Redis splits at newlines only; str.splitlines() at everything that could be one.
    assert len(text.splitlines()) == 3
    assert text.endswith("\n")


@given(passwords)
def test_the_file_is_plain_printable_ascii_whatever_the_password(password: str) -> None:
    assert all(char == "\n" or (char.isascii() and char.isprintable()) for char in redis.configuration(password))


def test_redis_keeps_nothing_on_disk() -> None:
    text = redis.configuration("x")
    assert 'save ""\n' in text
    assert "appendonly no\n" in text


def test_the_service_has_one_port_that_says_its_name() -> None:
    ports = redis.service_ports()
    assert ports == [{"name": "redis", "port": 6379, "targetPort": "redis", "protocol": "TCP"}]
    ports[0]["port"] = 1
    assert redis.service_ports()[0]["port"] == 6379, "a caller that changes its copy changes nobody else's"


def test_redis_asks_for_little_and_is_bounded() -> None:
    assert redis.RESOURCES == {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}}


@pytest.mark.parametrize(("line", "parsed"), [('a "b c" d', ["a", "b c", "d"]), (r'a "\x41\n"', ["a", "A\n"])])
def test_the_tests_own_parser_reads_what_redis_reads(line: str, parsed: list[str]) -> None:
    assert words(line) == parsed
