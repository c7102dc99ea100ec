"""What a daprd says to a call: whose answer it is.

Source of the words: Dapr 1.12.0 to 1.18.2, pkg/messages and pkg/acl; those of Envoy reach the caller through gRPC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cluster.client import Cluster
from cluster.errors import ForbiddenError, OperationError

# Dapr's HTTP API, by which an app talks to its own daprd.
HTTP_PORT: Final = 3500
# A method that no app has; nothing happens where it arrives.
PROBE_METHOD: Final = "dapr-osm-verification"
LONGEST: Final = 300

# An answer of a daprd's own, in place of an app's.
ERROR: Final = re.compile(r'^\s*\{\s*"errorCode"\s*:\s*"ERR_|^invalid api token')
# The called daprd has the call, and does not give it to its app: an access control list, an API token of the app's.
REFUSED_BY_DAPR: Final = re.compile(
    r"access control policy has denied|invalid api token|api token mismatch|missing api token|authentication error"
)
# It has the call, and its app does not take it.
APP_SILENT: Final = re.compile(
    r"error invoking app channel|app channel (?:is )?not initialized|app is not in a healthy"
)


class Whose(Enum):
    """Who answered."""

    APP = "the app"
    DAPR = "the called app's daprd, which refuses the call"
    NO_APP = "the called app's daprd, whose app does not answer"
    NOBODY = "the caller's own daprd, which reached nobody"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a daprd said.

    Attributes:
        status: The HTTP status; 0 where there was no answer at all.
        text: The beginning of the body, or why there was no answer.
        whose: Whose answer it is.
    """

    status: int
    text: str
    whose: Whose

    def __str__(self) -> str:
        """As a line."""
        return f"{self.status} {self.text}".strip() if self.status else self.text


def said(status: int, body: str) -> Said:
    """Tell whose an answer is."""
    whose = Whose.APP
    if ERROR.search(body):
        whose = Whose.NOBODY
        if REFUSED_BY_DAPR.search(body):
            whose = Whose.DAPR
        elif APP_SILENT.search(body):
            whose = Whose.NO_APP
    return Said(status=status, text=" ".join(body.split())[:LONGEST], whose=whose)


def call(cluster: Cluster, namespace: str, pod: str, address: str) -> Said:
    """Ask a pod's daprd to call an app, as the pod's own app would.

    Args:
        cluster: The cluster.
        namespace: The caller's namespace.
        pod: Its pod.
        address: The called app, as Dapr names it.

    Raises:
        ForbiddenError: This user may not ask.
    """
    path = f"/v1.0/invoke/{address}/method/{PROBE_METHOD}"
    try:
        answer = cluster.http_from_pod(namespace, pod, HTTP_PORT, path)
    except ForbiddenError:
        raise
    except OperationError as error:
        return Said(status=0, text=str(error)[:LONGEST], whose=Whose.NOBODY)
    return said(answer.status, answer.body)
