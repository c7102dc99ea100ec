"""The client's requests: what is asked, what comes of an answer, and what is tried again."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import urllib3

from cluster import client as client_module
from cluster.client import Cluster, parallel
from cluster.errors import ApiError, ForbiddenError, OperationError
from cluster.transport import Reply
from model.owner import Owner

from .api_server import ApiServer, Arrived, Told, client, serving
from .fake_cluster import FakeCluster

DRY_RUN = {"dryRun": "All"}
REAL_PAUSES = client_module.PAUSES
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with serving(ApiServer()) as running:
        yield running


@pytest.fixture
def cluster(server: ApiServer, tmp_path: Path) -> Cluster:
    return client(tmp_path, server.url)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, of which there are three at most and none takes time."""
    made: list[float] = []
    monkeypatch.setattr(client_module, "PAUSES", (1.0, 2.0, 4.0))
    monkeypatch.setattr("cluster.client.time.sleep", made.append)
    return made


def answers(server: ApiServer, *told: Told) -> None:
    """Answer so, one after the other; the last for all that follow."""
    left = list(told)
    server.answer = lambda arrived: left.pop(0) if len(left) > 1 else left[0]


def as_json(value: Any) -> Told:
    return Told(body=json.dumps(value))


# --- what is asked ----------------------------------------------------------------------------------------------


def test_an_api_server_that_starts_anew_is_given_more_than_twenty_seconds_and_no_minute() -> None:
    assert 20 < sum(REAL_PAUSES) < 30


def test_a_patch_is_a_merge_patch_of_the_named_manager(server: ApiServer, cluster: Cluster) -> None:
    cluster.request("PATCH", "/x", {"fieldManager": "me"}, {"a": 1})
    assert (server.last.path, json.loads(server.last.body)) == ("/x?fieldManager=me", {"a": 1})
    assert server.last.header("content-type") == "application/merge-patch+json", "of any other type it would be refused"
    cluster.request("POST", "/x", body={"a": 1})
    assert server.last.header("content-type") == "application/json"
    assert server.last.header("accept") == "application/json, */*"


def test_what_is_written_without_a_field_manager_is_known_for_this_programs(
    server: ApiServer, cluster: Cluster
) -> None:
    """The API server names a writer after the User-Agent, up to the slash."""
    cluster.request("POST", "/x", body={"a": 1})
    (agent,) = server.last.all("user-agent")
    written = {"labels": {"dapr-osm/stack": "dev"}, "managedFields": [{"manager": agent.partition("/")[0]}]}
    assert Owner(stack="dev").made(written)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("merge", "application/merge-patch+json"),
        ("strategic", "application/strategic-merge-patch+json"),
        ("apply", "application/apply-patch+yaml"),
    ],
)
def test_patches_are_of_three_kinds(kind: Any, content: str, server: ApiServer, cluster: Cluster) -> None:
    answers(server, as_json({"kind": "X"}))
    made = cluster.patch("/x", {"a": 1}, kind, field_manager="me", force=True, dry_run=True)
    assert made == {"kind": "X"}
    assert server.last.method == "PATCH"
    assert server.last.path == "/x?fieldManager=me&force=true&dryRun=All"
    assert server.last.header("content-type") == content
    assert json.loads(server.last.body) == {"a": 1}


def test_a_plain_patch_says_no_more_than_it_must(server: ApiServer, cluster: Cluster) -> None:
    cluster.patch("/x", {})
    assert server.last.path == "/x"


def test_a_deletion_may_be_for_one_very_object(server: ApiServer, cluster: Cluster) -> None:
    assert cluster.delete("/x", uid="u-1", propagation="Orphan")
    assert json.loads(server.last.body) == {"propagationPolicy": "Orphan", "preconditions": {"uid": "u-1"}}
    assert cluster.delete("/x")
    assert json.loads(server.last.body) == {"propagationPolicy": "Background"}


def test_what_is_not_there_cannot_be_deleted(server: ApiServer, cluster: Cluster) -> None:
    answers(server, Told(status=404))
    assert not cluster.delete("/x")


def test_another_object_of_that_name_is_left_alone(server: ApiServer, cluster: Cluster) -> None:
    said = "Precondition failed: UID in precondition: u-1, UID in object meta: u-2"
    answers(server, Told(status=409, body=json.dumps({"message": said})))
    assert not cluster.delete("/x", uid="u-1")
    with pytest.raises(ApiError):
        cluster.delete("/x")
    answers(server, Told(status=409, body=json.dumps({"message": "namespace is being terminated"})))
    with pytest.raises(ApiError):
        cluster.delete("/x", uid="u-1")


def test_the_cluster_is_known_by_one_namespaces_uid_which_is_asked_for_once(
    server: ApiServer, cluster: Cluster
) -> None:
    answers(server, as_json({"metadata": {"uid": "u-1"}}))
    assert (cluster.uid(), cluster.uid()) == ("u-1", "u-1")
    assert [arrived.path for arrived in server.arrived] == ["/api/v1/namespaces/kube-system"]


def test_a_cluster_that_cannot_be_known_is_an_error(server: ApiServer, cluster: Cluster) -> None:
    answers(server, Told(status=404))
    with pytest.raises(OperationError, match="no namespace kube-system"):
        cluster.uid()


def test_the_version_is_the_servers(server: ApiServer, cluster: Cluster) -> None:
    answers(server, as_json({"gitVersion": "v1.33.1"}))
    assert cluster.server_version() == "v1.33.1"
    assert server.last.path == "/version"


def test_of_an_object_only_its_metadata_may_be_asked_for(server: ApiServer, cluster: Cluster) -> None:
    answers(server, as_json({"metadata": {"name": "x"}}))
    assert cluster.partial("/x") == {"metadata": {"name": "x"}}
    assert server.last.header("accept") == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    answers(server, Told(status=404))
    assert cluster.partial("/x") is None


def test_of_a_long_list_only_the_metadata_is_asked_for_piece_by_piece(server: ApiServer, cluster: Cluster) -> None:
    answers(
        server,
        as_json({"metadata": {"continue": "a/b"}, "items": [{"metadata": {"name": "x"}}]}),
        as_json({"metadata": {}, "items": [{"metadata": {"name": "y"}}]}),
    )
    assert [item["metadata"]["name"] for item in cluster.metadata("/xs", {"labelSelector": "a=b"})] == ["x", "y"]
    assert server.last.header("accept") == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    assert [arrived.path for arrived in server.arrived] == [
        "/xs?labelSelector=a%3Db&limit=500",
        "/xs?labelSelector=a%3Db&limit=500&continue=a%2Fb",
    ]
    answers(server, Told(status=404))
    assert cluster.metadata("/xs") == []


def test_a_long_list_that_is_too_old_to_go_on_with_is_begun_anew_as_a_whole(
    server: ApiServer, cluster: Cluster
) -> None:
    """The API server forgets what it was like at the first piece, as a busy one does soon."""
    answers(
        server,
        as_json({"metadata": {"continue": "a"}, "items": [{"metadata": {"name": "gone"}}]}),
        Told(status=410),
        as_json({"metadata": {}, "items": [{"metadata": {"name": "x"}}]}),
    )
    assert [item["metadata"]["name"] for item in cluster.metadata("/xs", {"labelSelector": "a=b"})] == ["x"]
    assert server.last.path == "/xs?labelSelector=a%3Db"


@pytest.mark.parametrize("allowed", [True, False])
def test_a_right_is_asked_for_as_it_would_be_used(allowed: bool, server: ApiServer, cluster: Cluster) -> None:
    answers(server, Told(status=201, body=json.dumps({"status": {"allowed": allowed}})))
    assert cluster.may("create", "", "pods", namespace="n", subresource="portforward") is allowed
    assert (server.last.method, server.last.path) == ("POST", REVIEWS)
    asked = json.loads(server.last.body)
    assert (asked["kind"], asked["apiVersion"]) == ("SelfSubjectAccessReview", "authorization.k8s.io/v1")
    assert asked["spec"]["resourceAttributes"] == {
        "verb": "create",
        "resource": "pods",
        "namespace": "n",
        "subresource": "portforward",
    }
    cluster.may("get", "apps", "deployments", name="x")
    asked = json.loads(server.last.body)["spec"]["resourceAttributes"]
    assert asked == {"verb": "get", "group": "apps", "resource": "deployments", "name": "x"}


def test_the_last_words_of_a_container_are_those_of_the_one_before(server: ApiServer, cluster: Cluster) -> None:
    answers(server, Told(body="one\ntwo\n"))
    assert cluster.last_words("n", "p", "c", lines=5) == ["one", "two"]
    assert server.last.path == "/api/v1/namespaces/n/pods/p/log?container=c&previous=true&tailLines=5"
    answers(server, Told(status=400))
    assert cluster.last_words("n", "p", "c", lines=5) == []


# --- what is tried again ----------------------------------------------------------------------------------------

BUSY = Told(status=503, body="not ready")
CUT = Told(status=0)


@pytest.mark.parametrize(
    "told",
    [BUSY, CUT, Told(status=500), Told(status=502), Told(status=504), Told(status=429)],
    ids=lambda told: str(told.status),
)
def test_a_read_outlasts_a_server_that_starts_anew(
    told: Told, server: ApiServer, cluster: Cluster, pauses: list[float]
) -> None:
    answers(server, told, told, Told(body="done"))
    assert cluster.request("GET", "/x") == "done"
    assert pauses == [1.0, 2.0]


def test_trying_again_has_an_end(server: ApiServer, cluster: Cluster, pauses: list[float]) -> None:
    answers(server, Told(status=503, body='{"message": "still starting"}'))
    with pytest.raises(ApiError, match="GET /x: 503: still starting"):
        cluster.request("GET", "/x")
    assert (len(server.arrived), pauses) == (4, [1.0, 2.0, 4.0])
    answers(server, CUT)
    with pytest.raises(OperationError, match="the cluster does not answer at http"):
        cluster.request("GET", "/x")
    assert len(server.arrived) == 8


def test_a_server_that_is_away_is_waited_for_by_every_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: ApiServer
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    cluster = client(tmp_path, f"http://127.0.0.1:{port}")
    started: list[ApiServer] = []

    def start(seconds: float) -> None:
        if seconds == 2.0:
            made = ApiServer(port=port)
            threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            started.append(made)

    monkeypatch.setattr("cluster.client.time.sleep", start)
    cluster.request("POST", "/x", body={})
    [made] = started
    made.shutdown()
    made.server_close()
    assert [arrived.method for arrived in made.arrived] == ["POST"], "what never arrived was not done"


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("told", [BUSY, CUT, Told(status=500)], ids=lambda told: str(told.status))
def test_what_may_have_been_done_is_never_done_again(
    method: str, told: Told, server: ApiServer, cluster: Cluster
) -> None:
    answers(server, told)
    with pytest.raises(OperationError):
        cluster.request(method, "/x", body={})
    assert len(server.arrived) == 1


def uncalled(why: str) -> Told:
    said = f'Internal error occurred: failed calling webhook "v.kyverno.svc": failed to call webhook: Post: {why}'
    return Told(status=500, body=json.dumps({"message": said}))


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_what_a_webhook_that_is_away_for_a_moment_has_held_up_was_not_done_and_is_done_again(
    method: str, server: ApiServer, cluster: Cluster
) -> None:
    answers(server, uncalled("connection refused"), uncalled('no endpoints available for service "kyverno"'), Told())
    cluster.request(method, "/x", body={})
    assert len(server.arrived) == 3


def test_a_webhook_that_hangs_is_not_waited_for_again(server: ApiServer, cluster: Cluster) -> None:
    answers(server, uncalled("context deadline exceeded"))
    with pytest.raises(ApiError, match="deadline exceeded"):
        cluster.request("POST", "/x", body={})
    assert len(server.arrived) == 1


def test_what_webhooks_may_take_half_a_minute_for_is_given_more_and_a_look_is_not(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, float] = {}

    def send(method: str, *_: Any, seconds: float, **__: Any) -> Reply:
        given[method] = seconds
        return Reply(status=200, body="{}")

    monkeypatch.setattr(cluster._transport, "send", send)
    for method in ("GET", "POST", "PATCH", "DELETE"):
        cluster.request(method, "/x")
    assert given.pop("GET") == 15
    assert set(given.values()) == {40}
    cluster.request("POST", "/x", DRY_RUN)
    assert given["POST"] == 15, "nobody waits long for a preview"


@pytest.mark.parametrize(("path", "query"), [("/x", DRY_RUN), (REVIEWS, None)])
def test_what_changes_nothing_is_tried_again(
    path: str, query: dict[str, str] | None, server: ApiServer, cluster: Cluster
) -> None:
    for told in (BUSY, CUT):
        answers(server, told, Told())
        cluster.request("POST", path, query, body={})
    assert len(server.arrived) == 4


def test_a_dry_run_that_hangs_is_not_begun_again(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for somebody's webhook."""
    sent: list[str] = []

    def hang(method: str, *_: Any, **__: Any) -> Any:
        sent.append(method)
        pool: Any = None
        raise urllib3.exceptions.ReadTimeoutError(pool, "/x", "Read timed out.")

    monkeypatch.setattr(cluster._transport, "send", hang)
    with pytest.raises(OperationError, match="does not answer"):
        cluster.request("POST", "/x", DRY_RUN, body={})
    assert sent == ["POST"]


def test_a_dry_run_that_fails_inside_is_a_finding(server: ApiServer, cluster: Cluster) -> None:
    answers(server, Told(status=500, body='{"message": "failed calling webhook"}'))
    with pytest.raises(ApiError, match="failed calling webhook"):
        cluster.request("POST", "/x", DRY_RUN, body={})
    assert len(server.arrived) == 1


def test_a_kind_whose_versions_nobody_converts_is_not_asked_for_again(server: ApiServer, cluster: Cluster) -> None:
    """It is somebody's own, and its webhook is away for longer than a moment."""
    said = 'conversion webhook for shop.example/v1, Kind=Cart failed: Post "https://x": no endpoints available'
    answers(server, Told(status=500, body=json.dumps({"message": said})))
    with pytest.raises(ApiError, match="no endpoints available"):
        cluster.items("/apis/shop.example/v2/carts")
    assert len(server.arrived) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_busy_server_is_given_the_time_that_it_asks_for(
    method: str, server: ApiServer, cluster: Cluster, pauses: list[float]
) -> None:
    answers(server, Told(status=429, headers={"Retry-After": "3"}), Told())
    cluster.request(method, "/x", body={} if method == "POST" else None)
    assert pauses == [3.0], "a 429 was not done"


def test_a_busy_server_does_not_decide_how_long_we_wait(
    server: ApiServer, cluster: Cluster, pauses: list[float]
) -> None:
    answers(server, Told(status=429, headers={"Retry-After": "3600"}), Told())
    cluster.request("GET", "/x")
    assert pauses == [4.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_no_is_a_no(status: int, server: ApiServer, cluster: Cluster) -> None:
    answers(server, Told(status=status))
    with pytest.raises(ApiError) as caught:
        cluster.request("GET", "/x")
    assert (caught.value.status, len(server.arrived)) == (status, 1)


@pytest.mark.parametrize(
    "told",
    [
        Told(body="<html>Sign in</html>", headers={"Content-Type": "text/html; charset=utf-8"}),
        Told(body="<html>Sign in</html>", headers={"Content-Type": "application/json"}),
        Told(status=302, body="", headers={"Location": "https://login.example"}),
        Told(body="ok"),
        Told(body="[]"),
        Told(body="null"),
        Told(body=""),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "ask",
    [
        lambda cluster: cluster.uid(),
        lambda cluster: cluster.get("/api/v1/nodes"),
        lambda cluster: cluster.metadata("/api/v1/pods"),
        lambda cluster: cluster.server_version(),
        lambda cluster: cluster.may("get", "", "pods"),
        lambda cluster: cluster.patch("/api/v1/nodes/n", {}),
    ],
    ids=["uid", "get", "metadata", "version", "may", "patch"],
)
def test_whoever_answers_in_place_of_an_api_server_is_told_in_a_sentence(
    told: Told, ask: Callable[[Cluster], object], server: ApiServer, cluster: Cluster
) -> None:
    """A login page, a proxy's own, another server at the address: no traceback."""
    answers(server, told)
    with pytest.raises(OperationError, match="answers, but not as an API server does"):
        ask(cluster)


@pytest.mark.parametrize(
    ("status", "mend"), [(401, "log in anew"), (429, "try again later"), (500, "not well"), (503, "not well")]
)
def test_a_no_that_always_means_the_same_says_what_to_do(
    status: int, mend: str, server: ApiServer, cluster: Cluster, pauses: list[float]
) -> None:
    server.answer = lambda arrived: Told(status=status)
    with pytest.raises(ApiError, match=mend):
        cluster.request("GET", "/x")
    del pauses


def test_who_may_not_look_at_what_a_cluster_is_known_by_is_told_what_to_ask_for(
    server: ApiServer, cluster: Cluster
) -> None:
    answers(server, Told(status=403, body='{"message": "namespaces \\"kube-system\\" is forbidden"}'))
    with pytest.raises(ForbiddenError, match="by whose UID a cluster is known: .* deploy/deployer.yaml"):
        cluster.uid()


@pytest.mark.parametrize(("method", "timeout"), [("GET", "REQUEST_TIMEOUT"), ("POST", "CHANGE_TIMEOUT")])
def test_a_server_that_says_nothing_is_given_up(
    method: str, timeout: str, cluster: Cluster, server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def wait(arrived: Arrived) -> Told:
        released.wait(60)
        return Told()

    server.answer = wait
    monkeypatch.setattr(client_module, timeout, 0.05)
    with pytest.raises(OperationError, match="timed out"):
        cluster.request(method, "/x", body=None if method == "GET" else {})
    released.set()


@pytest.mark.parametrize(("method", "times"), [("GET", 4), ("POST", 1)])
def test_a_server_that_goes_away_amid_the_greeting_is_asked_again(method: str, times: int, tmp_path: Path) -> None:
    greeted = []

    def greet(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, address = server.accept()
                greeted.append(address)
                with connection:
                    connection.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=greet, args=(server,), daemon=True)
        thread.start()
        cluster = client(tmp_path, f"https://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(OperationError, match="EOF"):
            cluster.request(method, "/x", body={} if method == "POST" else None)
        server.shutdown(socket.SHUT_RDWR)
        thread.join(30)
    assert len(greeted) == times


def test_a_name_that_does_not_exist_is_not_looked_up_again(tmp_path: Path, pauses: list[float]) -> None:
    with pytest.raises(OperationError, match=r"does not answer at http://no-such-host\.invalid"):
        client(tmp_path, "http://no-such-host.invalid").request("GET", "/x")
    assert pauses == []


def test_a_server_that_is_no_name_is_not_asked_again(tmp_path: Path, pauses: list[float]) -> None:
    with pytest.raises(OperationError, match=r"does not answer at http://a\.\.b"):
        client(tmp_path, "http://a..b").request("GET", "/x")
    assert pauses == []


@pytest.mark.parametrize("proxy", ["ftp://ann:hidden@proxy.example", "http://ann:hidden@proxy.example:port"])
def test_a_proxy_that_is_no_address_is_told_at_once_and_not_shown(
    proxy: str, tmp_path: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(OperationError, match="the proxy to the cluster is none") as caught:
        client(tmp_path, "https://api.example").request("GET", "/x")
    assert pauses == []
    assert "hidden" not in str(caught.value)


# --- side by side -----------------------------------------------------------------------------------------------


def test_calls_side_by_side_share_one_client(server: ApiServer, cluster: Cluster) -> None:
    together = threading.Barrier(8)

    def echo(arrived: Arrived) -> Told:
        together.wait(30)
        return Told(body=arrived.path)

    server.answer = echo
    paths = [f"/{index}" for index in range(32)]
    assert parallel(partial(cluster.request, "GET", path) for path in paths) == paths
    assert len({arrived.peer for arrived in server.arrived}) <= 8, "connections are used again"


def test_calls_side_by_side_may_outnumber_the_threads() -> None:
    assert parallel([]) == []
    assert parallel(partial(int, index) for index in range(100)) == list(range(100))


def test_the_first_error_of_calls_side_by_side_counts() -> None:
    def fail(index: int) -> int:
        if index in (3, 5):
            raise OperationError(f"call {index}")
        return index

    with pytest.raises(OperationError, match="call 3"):
        parallel(partial(fail, index) for index in range(8))


# --- the cluster in memory does as the real one -----------------------------------------------------------------


def test_the_fake_cluster_knows_preconditions_and_metadata() -> None:
    fake = FakeCluster()
    fake.add("/api/v1/namespaces/kube-system", metadata={"uid": "u-1"})
    fake.add("/api/v1/namespaces/n/secrets/s", data={"a": "hidden"})
    assert fake.uid() == "u-1"
    (secret,) = fake.metadata("/api/v1/namespaces/n/secrets")
    assert set(secret) == {"metadata"}
    assert (secret["metadata"]["name"], secret["metadata"]["namespace"]) == ("s", "n")
    assert fake.partial("/api/v1/namespaces/n/secrets/s") == secret
    assert not fake.delete("/api/v1/namespaces/kube-system", uid="u-2")
    assert fake.delete("/api/v1/namespaces/kube-system", uid="u-1")
