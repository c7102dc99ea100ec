"""pythonapp of Dapr's hello-kubernetes quickstart, written anew to its contract, on Python's own library only.

Once a second it posts `{"data": {"orderId": n}}`, n counting up from 1, through its own Dapr to another app's method
`neworder`. It counts on when a post fails, and starts at 1 again when the pod does. Nothing is logged while all goes
well; what goes wrong is one line on standard output: `HTTP <code> => <body>`, or the reason why there was no answer.

Settings (environment): DAPR_HTTP_PORT (3500), TARGET_APP_ID (nodeapp).
"""

import http.client
import itertools
import json
import os
import signal
import sys
import time
from types import FrameType
from urllib.parse import quote

INTERVAL_SECONDS = 1.0
# How long Dapr may take for one order, which includes the other app and its state store.
TIMEOUT_SECONDS = 5.0


def tcp_port(name: str, default: int) -> int:
    """Read a TCP port from the environment; a wrong one ends the program, since every guess would fail later."""
    text = os.environ.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 65535):
        sys.exit(f"{name}: {text!r} is not a TCP port (1-65535)")
    return int(text)


def log(message: str) -> None:
    """Write one line at once, whatever the message holds."""
    print(" ".join(message.split()), flush=True)


def post(port: int, path: str, order_id: int) -> tuple[int, str]:
    """Post one order to this pod's Dapr and return the answer's code and body."""
    connection = http.client.HTTPConnection("localhost", port, timeout=TIMEOUT_SECONDS)
    try:
        body = json.dumps({"data": {"orderId": order_id}})
        connection.request("POST", path, body=body, headers={"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", errors="replace")
    finally:
        connection.close()


def stop(_signal: int, _frame: FrameType | None) -> None:
    """End at once, even amid a post.

    As a container's first process this one gets no default action for signals: unhandled, SIGTERM would do nothing
    and each deletion of the pod would wait out its whole grace period. Every line is flushed, so nothing is lost.
    """
    os._exit(0)


def main() -> None:
    """Send orders until told to stop."""
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    port = tcp_port("DAPR_HTTP_PORT", 3500)
    target = quote(os.environ.get("TARGET_APP_ID") or "nodeapp", safe="")
    path = f"/v1.0/invoke/{target}/method/neworder"
    for order_id in itertools.count(1):
        try:
            code, body = post(port, path, order_id)
            if not 200 <= code < 300:
                log(f"HTTP {code} => {body}")
        except Exception as error:  # whatever it is, the next order may go through
            log(f"{type(error).__name__}: {error}")
        time.sleep(INTERVAL_SECONDS)


if __name__ == "__main__":
    main()
