"""pythonapp: what it sends, what it logs, how it ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .fake_dapr import FakeDapr
from .process import APPS, App, child_of, free_port, namespaces, running, running_as_first_process

COMMAND = (sys.executable, APPS / "python" / "app.py")


@contextmanager
def pythonapp(port: int, tmp_path: Path, **environment: str) -> Iterator[App]:
    """Run the app against a Dapr on this port."""
    with running(COMMAND, {"DAPR_HTTP_PORT": str(port), **environment}, tmp_path / "log") as app:
        yield app


def test_it_posts_orders_that_count_up_from_one_to_nodeapp_through_dapr(dapr: FakeDapr, tmp_path: Path) -> None:
    """And logs nothing while all goes well."""
    with pythonapp(dapr.port, tmp_path) as app:
        app.wait_until(lambda: len(dapr.calls) >= 3, "three orders")
        assert app.lines == []
    assert [call.value for call in dapr.calls[:3]] == [{"data": {"orderId": number}} for number in (1, 2, 3)]
    assert {(call.method, call.path) for call in dapr.calls} == {("POST", "/v1.0/invoke/nodeapp/method/neworder")}
    assert {call.content_type for call in dapr.calls} == {"application/json"}


def test_the_target_is_a_setting(dapr: FakeDapr, tmp_path: Path) -> None:
    """It may be an app of another namespace, which Dapr writes with a dot."""
    with pythonapp(dapr.port, tmp_path, TARGET_APP_ID="other.elsewhere") as app:
        app.wait_until(lambda: dapr.calls, "an order")
    assert dapr.calls[0].path == "/v1.0/invoke/other.elsewhere/method/neworder"


def test_an_answer_that_is_no_success_is_one_line_and_the_count_goes_on(dapr: FakeDapr, tmp_path: Path) -> None:
    """The verification reads this line to tell the mesh's refusal from a crash."""
    dapr.failure = 500, '{"errorCode":"ERR_DIRECT_INVOKE",\n "message":"refused"}'
    with pythonapp(dapr.port, tmp_path) as app:
        app.wait_for_line('HTTP 500 => {"errorCode":"ERR_DIRECT_INVOKE", "message":"refused"}')
        dapr.failure = None
        app.wait_until(lambda: len(dapr.calls) >= 3, "further orders")
        assert len(app.lines) < len(dapr.calls), "the order after the failure went through without a line"
    assert [call.value for call in dapr.calls[:3]] == [{"data": {"orderId": number}} for number in (1, 2, 3)]


def test_no_answer_at_all_is_one_line_with_the_reason(tmp_path: Path) -> None:
    """Dapr may start after the app does; the app has to live through that."""
    with pythonapp(free_port(), tmp_path) as app:
        app.wait_until(lambda: len(app.lines) >= 2, "two lines")
        assert "ConnectionRefusedError" in app.lines[0]
        assert app.process.poll() is None


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1"])
def test_a_wrong_port_ends_it_with_the_reason(tmp_path: Path, port: str) -> None:
    """Rather than failing once a second for ever."""
    with running(COMMAND, {"DAPR_HTTP_PORT": port}, tmp_path / "log") as app:
        assert app.process.wait(timeout=10) == 1
        assert app.lines == [f"DAPR_HTTP_PORT: '{port}' is not a TCP port (1-65535)"]


def test_sigterm_ends_it_at_once_while_it_waits_for_the_next_second(dapr: FakeDapr, tmp_path: Path) -> None:
    """With success, so that a rollout leaves no failed container."""
    with pythonapp(dapr.port, tmp_path) as app:
        app.wait_until(lambda: dapr.calls, "an order")
        assert app.stop() == 0


def test_sigterm_ends_it_at_once_while_dapr_does_not_answer(dapr: FakeDapr, tmp_path: Path) -> None:
    """A post may take five seconds; a deletion doesn't wait for it."""
    dapr.answering.clear()
    with pythonapp(dapr.port, tmp_path) as app:
        app.wait_until(lambda: dapr.calls, "an order")
        assert app.stop() == 0


@pytest.mark.skipif(namespaces() is None, reason="making a process namespace isn't allowed here")
def test_sigterm_ends_it_at_once_as_a_containers_first_process(dapr: FakeDapr, tmp_path: Path) -> None:
    """Where a signal without a handler does nothing."""
    with running_as_first_process(COMMAND, {"DAPR_HTTP_PORT": str(dapr.port)}, tmp_path / "log") as app:
        app.wait_until(lambda: dapr.calls, "an order")
        assert app.stop(child_of(app.process)) == 0
