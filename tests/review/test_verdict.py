"""What a reviewer is told first."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

from review.changes import Op
from review.digest import plan
from review.events import parse
from review.mesh import Mode
from review.report import Review, review
from review.verdict import Severity
from tests.review import streams
from tests.review.streams import BLINDED, UNKNOWN, Stream, real


def reviewed(stream: Stream) -> Review:
    return review(parse(stream.lines()))


def said(one: Review) -> str:
    return "\n".join(finding.what for finding in one.verdict.findings)


def told(one: Review, severity: Severity) -> str:
    return "\n".join(finding.what for finding in one.verdict.findings if finding.severity is severity)


def test_nothing_changes() -> None:
    one = reviewed(Stream())
    assert one.verdict.severity is Severity.NOTHING
    assert said(one) == ""
    assert one.changes == ()


def test_a_value_of_daprs_chart_restarts_just_that_workload() -> None:
    one = reviewed(streams.dapr_value())
    assert one.verdict.severity is Severity.RESTARTS
    assert told(one, Severity.RESTARTS) == "Restarts the pods of `Deployment dapr-system/dapr-operator`."


def test_labels_of_a_deployment_itself_restart_nothing() -> None:
    stream = Stream().update("hello-nodeapp-pods", lambda i: i["metadata"]["labels"].update(team="shop"))
    assert reviewed(stream).verdict.severity is Severity.SAFE


def test_a_checksum_in_a_pod_template_restarts_pods_although_the_diff_folds_it() -> None:
    one = reviewed(streams.exclusions())
    restarted = told(one, Severity.RESTARTS)
    assert "`Deployment dapr-test/nodeapp`, `Deployment dapr-test/pythonapp`" in restarted
    assert one.diffs[one.changes[0].urn].folded == 1


def test_what_is_only_unknown_may_restart_pods() -> None:
    def unknown(inputs: dict[str, Any]) -> None:
        inputs["spec"]["template"]["metadata"]["annotations"]["dapr-osm/interception"] = UNKNOWN

    one = reviewed(Stream().update("hello-nodeapp-pods", unknown))
    assert "`Deployment dapr-test/nodeapp`, unless values that are not known yet" in told(one, Severity.RESTARTS)

    def known(inputs: dict[str, Any]) -> None:
        unknown(inputs)
        inputs["spec"]["template"]["spec"]["containers"][0]["image"] = "node:2"

    one = reviewed(Stream().update("hello-nodeapp-pods", known))
    assert told(one, Severity.RESTARTS) == "Restarts the pods of `Deployment dapr-test/nodeapp`."


def test_a_new_pod_of_redis_is_a_loss() -> None:
    one = reviewed(streams.redis_image())
    assert one.verdict.severity is Severity.DESTROYS
    assert "**all state of the apps is lost**" in told(one, Severity.DESTROYS)


def test_a_withdrawn_policy_denies_its_call_and_restarts_its_caller() -> None:
    one = reviewed(streams.policy_withdrawn())
    assert one.verdict.severity is Severity.CALLS, "nothing but a permission is lost"
    assert "**Denies** `pythonapp → nodeapp`." in told(one, Severity.CALLS)
    assert "`pythonapp`: a connection outlives the permission" in told(one, Severity.RESTARTS)


def test_a_caller_that_goes_is_not_restarted() -> None:
    one = reviewed(streams.app_removed())
    assert told(one, Severity.RESTARTS) == ""
    assert "Ends calls of apps that go: `pythonapp → nodeapp`." in told(one, Severity.CALLS)
    assert "Deletes, of apps: `Deployment dapr-test/pythonapp`" in told(one, Severity.DESTROYS)


def test_an_added_permission_restarts_nobody() -> None:
    one = reviewed(streams.policy_added())
    assert told(one, Severity.CALLS) == "Allows calls of apps that come: `shop → nodeapp`."
    assert told(one, Severity.RESTARTS) == ""


def test_a_widened_policy_names_the_call_that_is_allowed_now() -> None:
    stream = streams.policy_added()
    # The app has been there before; only the policy is new.
    deployed = Stream()
    for name in ("hello-shop-pods", "hello-shop-account"):
        deployed._steps[name] = ("same", stream._steps[name][2], stream._steps[name][2])

    def expect(fields: dict[str, Any]) -> None:
        fields["apps"].append({**fields["apps"][0], "name": "shop", "service_account": "shop"})

    deployed.expects(expect)
    old = deployed._steps["dapr-osm-lab"][2]
    deployed._steps["dapr-osm-lab"] = ("same", old, copy.deepcopy(old))

    def widen(inputs: dict[str, Any]) -> None:
        inputs["spec"]["sources"].append({"kind": "ServiceAccount", "name": "shop", "namespace": "dapr-test"})

    one = reviewed(deployed.update("smi-traffic-target", widen))
    assert told(one, Severity.CALLS) == "**Allows** `shop → nodeapp`."


def test_a_policy_for_an_account_that_nobody_has_is_told() -> None:
    def widen(inputs: dict[str, Any]) -> None:
        inputs["spec"]["sources"].append({"kind": "ServiceAccount", "name": "stranger", "namespace": "other"})

    one = reviewed(Stream().update("smi-traffic-target", widen))
    assert "**Allows** `other/stranger → nodeapp`" in told(one, Severity.CALLS)
    assert "no app of this stack runs as: `other/stranger`" in told(one, Severity.CALLS)


def test_a_policy_that_is_not_known_yet_is_no_permission_that_is_hidden() -> None:
    one = reviewed(Stream().update("smi-traffic-target", lambda i: i["spec"].update(sources=UNKNOWN)))
    assert "Whom these allow is not known yet: `pythodapp-traffic-target`" in told(one, Severity.CALLS)


def test_permissive_mode_is_told_with_what_it_means() -> None:
    one = reviewed(streams.permissive())
    assert "**every app of the mesh may call every other**" in told(one, Severity.CALLS)
    assert (one.before.mode, one.after.mode) == (Mode.POLICIES, Mode.PERMISSIVE)

    def off(inputs: dict[str, Any]) -> None:
        inputs["spec"]["traffic"]["enablePermissiveTrafficPolicyMode"] = False

    stream = Stream()
    stream.inputs("exclusions-patch")["spec"]["traffic"]["enablePermissiveTrafficPolicyMode"] = True
    one = reviewed(stream.delete("smi-traffic-target").update("exclusions-patch", off))
    assert "Turns permissive mode off" in told(one, Severity.CALLS)
    assert "**Denies** `pythonapp → nodeapp`." in told(one, Severity.CALLS)


def test_the_mesh_going_away_is_told() -> None:
    stream = streams.policy_withdrawn().delete("exclusions-patch")
    assert "**no policy holds any more**" in told(reviewed(stream), Severity.CALLS)


def test_a_route_of_a_policy_is_told() -> None:
    stream = Stream().update("smi-routes", lambda i: i["spec"]["matches"][0].update(pathRegex="/x"))
    assert "`HTTPRouteGroup nodeapp-service-routes`" in told(reviewed(stream), Severity.CALLS)


@pytest.mark.parametrize(
    ("name", "edit", "says"),
    [
        (
            "smi-traffic-target",
            lambda inputs: inputs["spec"]["rules"][0].update(matches=["other"]),
            "Changes which of the allowed callers' calls pass: `TrafficTarget pythodapp-traffic-target`.",
        ),
        (
            "smi-traffic-target",
            lambda inputs: inputs["spec"].pop("rules"),
            "Changes which of the allowed callers' calls pass: `TrafficTarget pythodapp-traffic-target`.",
        ),
        (
            "hello-nodeapp-pods",
            lambda inputs: pod_notes(inputs).update({"openservicemesh.io/sidecar-injection": "disabled"}),
            "Takes `nodeapp` out of the mesh: **no policy holds there**",
        ),
        (
            "hello-namespace",
            lambda inputs: inputs["metadata"]["labels"].pop("openservicemesh.io/monitored-by"),
            "Takes `nodeapp`, `pythonapp` out of the mesh",
        ),
        (
            "hello-nodeapp-pods",
            lambda inputs: pod_notes(inputs).update(
                {"openservicemesh.io/outbound-port-exclusion-list": "80, 443, 50002"}
            ),
            "Lets past the mesh, for `the pods of nodeapp`: `port 50002`.",
        ),
        (
            "hello-nodeapp-pods",
            lambda inputs: pod_notes(inputs).update(
                {"openservicemesh.io/outbound-ip-range-inclusion-list": "10.0.0.0/8"}
            ),
            "Lets past the mesh, for `the pods of nodeapp`: `all but 10.0.0.0/8`.",
        ),
        (
            "exclusions-patch",
            lambda inputs: inputs["spec"]["traffic"].update(inboundPortExclusionList=[3000]),
            "Lets past the mesh, for every pod of the mesh: `inbound port 3000`.",
        ),
        (
            "exclusions-patch",
            lambda inputs: inputs["spec"]["traffic"].update(networkInterfaceExclusionList=["eth1"]),
            "Lets past the mesh, for every pod of the mesh: `interface eth1`.",
        ),
    ],
)
def test_every_way_in_which_a_call_passes_or_does_not_is_told(name: str, edit: Any, says: str) -> None:
    one = reviewed(Stream().update(name, edit))
    assert one.verdict.severity is Severity.CALLS
    assert says in told(one, Severity.CALLS)


def pod_notes(inputs: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = inputs["spec"]["template"]["metadata"]["annotations"]
    return found


@pytest.mark.parametrize("key", ["inboundPortExclusionList", "outboundIPRangeInclusionList"])
@pytest.mark.parametrize("value", [UNKNOWN, [UNKNOWN]])
def test_a_list_beside_the_exclusions_that_is_not_known_yet_is_said_to_be_that(key: str, value: Any) -> None:
    stream = Stream().update("exclusions-patch", lambda inputs: inputs["spec"]["traffic"].update({key: value}))
    assert "What bypasses the mesh is not known yet" in said(reviewed(stream))


def test_an_app_that_comes_back_into_the_mesh_is_told() -> None:
    stream = Stream()
    pod_notes(stream.inputs("hello-nodeapp-pods"))["openservicemesh.io/sidecar-injection"] = "disabled"
    stream.update("hello-nodeapp-pods", lambda inputs: None)
    assert "Takes `nodeapp` back into the mesh." in told(reviewed(stream), Severity.CALLS)


def test_where_calls_come_and_go_besides_is_told() -> None:
    stream = Stream().update("hello-nodeapp-service", lambda inputs: inputs["spec"].update(type="LoadBalancer"))
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {"podSelector": {}}}
    body |= {"metadata": {"name": "none", "namespace": "dapr-test"}}
    stream.create("none", "kubernetes:networking.k8s.io/v1:NetworkPolicy", body)
    assert (
        "Changes where calls may come from or go to: `NetworkPolicy dapr-test/none`, `Service dapr-test/nodeapp`."
        in (told(reviewed(stream), Severity.CALLS))
    )
    labelled = Stream().update("hello-nodeapp-service", lambda inputs: inputs["metadata"].update(labels={"a": "b"}))
    for stream in (labelled, Stream().first()):
        assert "where calls may come from" not in said(reviewed(stream))


def test_what_service_accounts_may_do_is_told_where_it_changes() -> None:
    role, binding = "dapr-chart/role/dapr-sentry", "dapr-chart/clusterrolebinding/dapr-sentry"
    stream = Stream().update(role, lambda inputs: inputs["rules"][0].update(resources=["*"]))
    stream.update(binding, lambda inputs: inputs["subjects"].append({"kind": "Group", "name": "system:authenticated"}))
    one = reviewed(stream)
    assert one.verdict.headline == "Changes what ServiceAccounts may do."
    assert told(one, Severity.GRANTS) == (
        "Changes what ServiceAccounts may do: `ClusterRoleBinding dapr-sentry`, `Role dapr-system/dapr-sentry`."
    )
    labelled = Stream().update(role, lambda inputs: inputs["metadata"]["labels"].update(a="b"))
    for stream in (labelled, Stream().first(), Stream().gone()):
        assert not told(reviewed(stream), Severity.GRANTS)


def test_what_bypasses_the_mesh_is_told() -> None:
    one = reviewed(streams.exclusions())
    assert "Lets past the mesh, for every pod of the mesh: `10.1.0.0/16`, `port 5432`." in told(one, Severity.CALLS)


def test_without_a_mesh_nothing_passes_it_by() -> None:
    for make in (Stream().first(), Stream().gone(), Stream().delete("exclusions-patch")):
        assert "past the mesh" not in said(reviewed(make))
        assert "back into the mesh" not in said(reviewed(make))


def test_what_comes_back_into_the_mesh_is_told() -> None:
    def less(inputs: dict[str, Any]) -> None:
        inputs["spec"]["traffic"]["outboundPortExclusionList"] = [6379]

    found = told(reviewed(Stream().update("exclusions-patch", less)), Severity.CALLS)
    assert "Brings back into the mesh, for every pod of the mesh: `port 50005`, `port 8201`, `port 50006`." in found


@pytest.mark.parametrize("ports", [UNKNOWN, [6379, UNKNOWN]])
def test_unknown_exclusions_are_said_to_be_unknown(ports: Any) -> None:
    def unknown(inputs: dict[str, Any]) -> None:
        inputs["spec"]["traffic"]["outboundPortExclusionList"] = ports

    one = reviewed(Stream().update("exclusions-patch", unknown))
    assert "What bypasses the mesh is not known yet" in told(one, Severity.CALLS)
    assert "Brings back" not in said(one), "unknown is not none"


def test_egress_that_is_dropped_is_told() -> None:
    stream = Stream().update("exclusions-patch", lambda i: i["spec"]["traffic"].update(enableEgress=False))
    assert "**Drops traffic to places" in told(reviewed(stream), Severity.CALLS)


DELETED: dict[str, str] = {
    "dapr-chart/customresourcedefinition/components.dapr.io": "every object of that kind in the whole cluster",
    "hello-namespace": "everything that is in it",
    "hello-redis-server": "**all state of the apps**",
    "dapr-chart/secret/dapr-trust-bundle": "Dapr's root certificate",
    "dapr-chart/statefulset/dapr-scheduler-server": "jobs, reminders",
    "dapr-runtime": "**the scheduler's volumes",
    "osm-runtime": "**with every SMI policy and MeshConfig in the cluster**",
    "hello-redis-component": "of state store: `Component dapr-test/statestore`",
}


@pytest.mark.parametrize("name", DELETED)
def test_a_delete_says_what_is_lost_with_it(name: str) -> None:
    one = reviewed(Stream().delete(name))
    assert one.verdict.severity is Severity.DESTROYS
    assert DELETED[name] in told(one, Severity.DESTROYS)


def test_what_goes_with_several_goes_with_each_of_them() -> None:
    stream = Stream()
    for name in ("components", "configurations"):
        stream.delete(f"dapr-chart/customresourcedefinition/{name}.dapr.io", protect=True)
    text = said(reviewed(stream))
    assert "and with each of them every object of that kind in the whole cluster" in text
    assert "Pulumi refuses: they are protected." in text


def test_what_is_kept_on_delete_is_no_loss() -> None:
    one = reviewed(Stream().delete("hello-namespace", retain=True))
    assert one.verdict.severity is Severity.SAFE
    assert "Leaves to itself, on the cluster: `Namespace dapr-test`" in said(one)


def test_a_delete_that_pulumi_refuses_is_told_as_that() -> None:
    one = reviewed(Stream().delete("hello-namespace", protect=True))
    assert one.verdict.severity is Severity.STOPPED
    assert "Pulumi refuses: it is protected." in said(one)


def test_a_replacement_says_because_of_what() -> None:
    def edit(inputs: dict[str, Any]) -> None:
        inputs["spec"]["selector"]["matchLabels"]["app"] = "other"

    stream = Stream().replace("hello-redis-server", edit, keys=("spec.selector",))
    found = told(reviewed(stream), Severity.DESTROYS)
    assert "Replaces `Deployment dapr-test/redis` (because of `spec.selector`), and with it **all state" in found


def test_the_steps_of_a_replacement_are_one_change() -> None:
    lines = Stream().replace("hello-nodeapp-service", lambda i: i["spec"].update(clusterIP="None")).lines()
    more = [
        line.replace('"op": "replace"', f'"op": "{op}"') for line in lines for op in _REPLACEMENT if "replace" in line
    ]
    assert len(review(parse([*more, *lines])).changes) == 1


_REPLACEMENT = ("create-replacement", "delete-replaced")


def test_what_the_whole_cluster_shares_is_told() -> None:
    stream = Stream().update("osm-chart/clusterrole/osm", lambda i: i["rules"].pop())
    assert told(reviewed(stream), Severity.CLUSTER_WIDE) == "Cluster-wide: 1 ClusterRole changed (`osm`)."
    stream = Stream().delete("osm-chart/clusterrole/osm")
    assert told(reviewed(stream), Severity.CLUSTER_WIDE) == "", "a delete is told as one"


def test_the_worst_is_told_first() -> None:
    stream = (
        streams.exclusions().delete("hello-redis-server").update("osm-chart/clusterrole/osm", lambda i: i.pop("rules"))
    )
    # Found last, and yet a loss.
    stream.update("hello-nodeapp-pods", lambda inputs: inputs["spec"].update(replicas=0))
    severities = [finding.severity for finding in reviewed(stream).verdict.findings]
    assert severities == sorted(severities, reverse=True)
    assert severities[0] is Severity.DESTROYS


def test_a_secret_that_changes_is_told_without_its_value() -> None:
    stream = Stream().update("hello-redis-password", lambda i: i.update(data=BLINDED), paths=("data",))
    one = reviewed(stream)
    assert "Secret values change, which are not shown: `Secret dapr-test/hello-redis-password-" in said(one)
    assert one.changes[0].secret_paths == ("data",)


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({"data": BLINDED}, "data"),
        ({"data": BLINDED}, 'data["redis.conf"]'),
        ({"stringData": {"redis.conf": "x"}}, 'stringData["redis.conf"]'),
        ({"stringData": {"other": "x"}}, "stringData.gone"),
        ({"list": [{"value": BLINDED}]}, "list[0].value"),
    ],
)
def test_a_secret_that_changes_is_found_by_its_path(inputs: dict[str, Any], path: str) -> None:
    stream = Stream().update("hello-redis-password", lambda i: i.update(inputs), paths=(path, "metadata.labels"))
    assert reviewed(stream).changes[0].secret_paths == (path,)


@pytest.mark.parametrize(("change", "told"), [("password=b\nlevel=1", True), ("password=a\nlevel=2", False)])
def test_of_a_text_with_a_secret_in_it_it_is_told_whether_just_that_changes(change: str, told: bool) -> None:
    name, path = "osm-chart/configmap/preset-mesh-config", 'data["app.conf"]'
    stream = Stream()
    stream.inputs(name)["data"]["app.conf"] = "password=a\nlevel=1"
    stream.update(name, lambda inputs: inputs["data"].update({"app.conf": change}), paths=(path,))
    one = reviewed(stream)
    assert ("Secret values change, which are not shown" in said(one)) is told
    assert one.changes[0].secret_paths == ((path,) if told else ())
    assert one.diffs[one.changes[0].urn].is_empty is told


def test_another_stage_and_another_release_are_told() -> None:
    assert "Moves from the stage `smi` to `permissive`." in said(review(parse(real("to-permissive"))))
    assert "Takes `dapr` from `1.18.1` to `1.18.2`." in said(reviewed(streams.release_change()))
    for stream in (Stream(), Stream().first(), Stream().gone(), streams.dapr_value()):
        assert not re.search("Takes `|Moves from", said(reviewed(stream))), "nothing of the kind"
    unknown = Stream().outputs(lambda outputs: outputs.update(versions=UNKNOWN, stage=UNKNOWN))
    assert not re.search("Takes `|Moves from", said(reviewed(unknown)))


@pytest.mark.parametrize(("count", "words"), [(1, "1 pod instead of 2"), (3, "3 pods instead of 2")])
def test_one_is_no_plural(count: int, words: str) -> None:
    stream = Stream()
    name = "dapr-chart/deployment/dapr-operator"
    stream.inputs(name)["spec"]["replicas"] = 2
    assert f"has {words}." in said(reviewed(stream.update(name, lambda inputs: inputs["spec"].update(replicas=count))))


def test_a_count_of_pods_that_is_not_known_yet_is_no_scaling() -> None:
    def unknown(inputs: dict[str, Any]) -> None:
        inputs["spec"]["replicas"] = UNKNOWN

    assert "instead of" not in said(reviewed(Stream().update("dapr-chart/deployment/dapr-operator", unknown)))


def test_scaling_to_nothing_is_a_loss() -> None:
    stream = Stream().update("hello-nodeapp-pods", lambda i: i["spec"].update(replicas=0))
    assert "`Deployment dapr-test/nodeapp` has 0 pods instead of 1." in told(reviewed(stream), Severity.DESTROYS)
    stream = Stream().update("hello-nodeapp-pods", lambda i: i["spec"].update(replicas=2.0))
    assert "`Deployment dapr-test/nodeapp` has 2 pods instead of 1." in told(reviewed(stream), Severity.SAFE)


def test_steps_alone_are_not_nothing() -> None:
    stream = Stream().update("verification-run", lambda i: i["environment"].update(OPERATION_COVERS="0"))
    one = reviewed(stream)
    assert one.verdict.severity is Severity.SAFE
    assert "Runs steps again: `verification-run`." in said(one)


def test_a_policy_pack_that_is_violated_stops_the_deploy() -> None:
    violation = {"policyName": "no-latest", "message": "image is latest", "resourceUrn": "a::b::c::hello-nodeapp-pods"}
    one = reviewed(Stream().event(policyEvent={**violation, "enforcementLevel": "mandatory"}))
    assert one.verdict.severity is Severity.STOPPED
    assert "The policy `no-latest` is not kept at `hello-nodeapp-pods`: `image is latest`" in said(one)
    one = reviewed(Stream().event(policyEvent={**violation, "enforcementLevel": "advisory"}))
    assert one.verdict.severity is Severity.SAFE


@pytest.mark.parametrize("how", ["cut off", "failed", "an error"])
def test_a_preview_that_did_not_come_to_its_end_is_no_all_clear(how: str) -> None:
    stream = Stream()
    if how == "cut off":
        stream.finished = False
    elif how == "failed":
        stream.result = "failed"
    else:
        stream.event(diagnosticEvent={"message": "error", "severity": "error"})
    assert reviewed(stream).verdict.severity is Severity.STOPPED


def test_a_destroy_says_that_all_goes() -> None:
    one = reviewed(streams.SCENARIOS["gone"]())
    assert one.verdict.findings[0].what == "**Takes the whole stack away**."
    assert one.after.mode is Mode.NONE


def drifted(edit: Callable[[dict[str, Any]], object] | None) -> Stream:
    """A refresh that found an edit, or that nothing is there."""
    stream = Stream()
    _, old, _ = stream._steps["hello-nodeapp-service"]
    old = {**old, "outputs": copy.deepcopy(old["inputs"])}
    new = copy.deepcopy(old)
    if edit is not None:
        edit(new["outputs"])
    stream._steps["hello-nodeapp-service"] = ("refresh", old, new if edit else None)
    return stream


def test_what_was_edited_by_hand_is_told() -> None:
    one = reviewed(drifted(lambda outputs: outputs["spec"].update(selector={"app": "other"})))
    assert "**Edited by hand on the cluster**: `Service dapr-test/nodeapp`." in said(one)
    assert "+     app: other" in one.diffs[one.changes[0].urn].lines


def test_an_edit_that_is_repaired_is_shown_as_it_was_found() -> None:
    found = drifted(lambda outputs: outputs["spec"].update(selector={"app": "other"}))
    refresh = [line for line in found.lines() if '"op": "refresh"' in line]
    stream = Stream()
    stream.inputs("hello-nodeapp-service")["spec"]["selector"] = {"app": "other"}
    stream.update("hello-nodeapp-service", lambda inputs: inputs["spec"].update(selector={"app": "node"}))
    one = review(parse([*refresh, *stream.lines()]))
    (change,) = one.changes
    assert change.op is Op.UPDATE
    assert one.diffs[change.urn].lines[-2:] == ("-     app: other", "+     app: node")


def test_what_nobody_declared_is_no_drift() -> None:
    assert reviewed(drifted(lambda outputs: outputs.update(status={"x": 1}))).changes == ()
    assert reviewed(drifted(lambda outputs: outputs["spec"].update(sessionAffinity="None"))).changes == ()


def test_what_was_deleted_by_hand_is_told() -> None:
    one = reviewed(drifted(None))
    assert "**Deleted by hand on the cluster**: `Service dapr-test/nodeapp`." in said(one)
    assert [change.done for change in one.changes] == ["deleted by hand"]


def test_what_was_edited_by_hand_is_not_said_to_restart_pods() -> None:
    one = reviewed(drifted(lambda outputs: outputs["metadata"]["labels"].update({"dapr-osm/stack": "other"})))
    assert one.verdict.severity is Severity.EDITED


def test_no_pods_is_a_loss_also_where_their_number_was_not_said() -> None:
    stream = Stream()
    del stream.inputs("hello-nodeapp-pods")["spec"]["replicas"]
    one = reviewed(stream.update("hello-nodeapp-pods", lambda inputs: inputs["spec"].update(replicas=0)))
    assert told(one, Severity.DESTROYS) == "`Deployment dapr-test/nodeapp` has 0 pods instead of 1."


def test_a_binding_that_is_replaced_for_another_role_grants_something_else() -> None:
    stream = Stream()
    name = next(name for name in stream.names if stream.inputs(name).get("kind") == "RoleBinding" and "hello" in name)
    one = reviewed(stream.replace(name, lambda inputs: inputs["roleRef"].update(name="admin"), keys=("roleRef",)))
    assert "Changes what ServiceAccounts may do: `RoleBinding dapr-test/" in told(one, Severity.GRANTS)
    labelled = Stream().replace(name, lambda inputs: inputs["metadata"].update(name="other"), keys=("metadata.name",))
    assert told(reviewed(labelled), Severity.GRANTS) == "", "it grants the same by another name"


@pytest.mark.parametrize("token", ["kubernetes:helm.sh/v3:Release", "aws:rds/instance:Instance"])
def test_what_the_review_cannot_judge_is_not_called_safe(token: str) -> None:
    stream = Stream().create("other", token, {"chart": "shop"})
    _, _, new = stream._steps["other"]
    new["custom"] = True
    stream._steps["other"] = ("update", {**new, "inputs": {"chart": "old"}}, new)
    one = reviewed(stream)
    assert one.verdict.severity is Severity.UNREAD
    assert " other`." in told(one, Severity.UNREAD)


def test_a_network_policy_that_goes_lets_calls_pass() -> None:
    policy = {"kind": "NetworkPolicy", "metadata": {"name": "deny", "namespace": "shop"}, "spec": {}}
    stream = Stream().create("deny", "kubernetes:networking.k8s.io/v1:NetworkPolicy", policy)
    _, _, old = stream._steps["deny"]
    stream._steps["deny"] = ("delete", old, None)
    assert "Deletes `NetworkPolicy shop/deny`, so that calls pass that it kept away." in said(reviewed(stream))


def test_what_is_imported_is_not_said_to_be_created() -> None:
    stream = Stream().create("x", "kubernetes:core/v1:ConfigMap", {"kind": "ConfigMap", "metadata": {"name": "x"}})
    stream._steps["x"] = ("import", *stream._steps["x"][1:])
    one = reviewed(stream)
    assert said(one) == "Takes over what is there, 1 object: the stack (1)."
    assert [change.op for change in one.changes] == [Op.IMPORT]


@pytest.mark.parametrize(
    ("side", "says"), [(1, "Pulumi no longer refuses to delete"), (2, "From now on Pulumi refuses to delete")]
)
def test_whether_a_delete_is_refused_is_told_and_deployed_where_nothing_else_changes(side: int, says: str) -> None:
    stream = Stream()
    sides: tuple[Any, ...] = stream._steps["hello-namespace"]
    sides[side]["protect"] = True
    one = reviewed(stream)
    assert said(one) == f"{says}: `hello-namespace`."
    assert plan(one.preview), "or a deploy would take it for nothing to do"


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("hello-nodeapp-service", lambda inputs: inputs.update(metadata=UNKNOWN)),
        ("smi-traffic-target", lambda inputs: inputs.update(metadata=UNKNOWN)),
        ("exclusions-patch", lambda inputs: inputs["spec"]["traffic"].update(inboundPortExclusionList=5)),
    ],
)
def test_an_object_of_an_odd_shape_is_told_all_the_same(name: str, edit: Callable[[dict[str, Any]], object]) -> None:
    assert len(reviewed(Stream().update(name, edit)).changes) == 1


def test_a_real_first_install_is_told_as_one() -> None:
    one = review(parse(real("first-install")))
    assert one.verdict.severity is Severity.CLUSTER_WIDE
    assert "Installs the whole stack with `dapr 1.18.1`, `osm 1.2.4` at the stage `smi`." in said(one)
    assert "7 CustomResourceDefinitions created" in said(one)
    assert "`dapr-sidecar-injector` is asked about new pods of the whole cluster" in said(one)
    assert len(one.objects) == 74


def test_a_real_refusal_quotes_its_error() -> None:
    one = review(parse(real("refused")))
    assert one.verdict.severity is Severity.STOPPED
    assert "would take over what is not its own" in one.preview.errors[0]
