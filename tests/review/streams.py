"""Event streams for tests.

``deployed.jsonl`` is what the lab's stack at the stage ``smi`` really had in its state: each resource's inputs, and the
stack's outputs. Schemas of definitions, outputs of objects and ciphertexts were cut. The streams are crafted from it by
the engine's own shapes (``apitype/events.go``); the files in ``events/`` are streams as the engine wrote them.
"""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from model.expectation import Expectation

HERE: Final = Path(__file__).parent
EVENTS: Final = HERE / "events"
BLINDED: Final = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}
UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
APP: Final = "dapr-osm:components:HelloKubernetesApps$dapr-osm:components:DaprApp$"

Edit = Callable[[dict[str, Any]], object]


def real(name: str) -> list[str]:
    """A stream as the engine wrote it."""
    compressed = EVENTS / f"{name}.jsonl.gz"
    if compressed.exists():
        return gzip.decompress(compressed.read_bytes()).decode().splitlines()
    return (EVENTS / f"{name}.jsonl").read_text().splitlines()


class Stream:
    """A preview of the lab's stack, in which nothing changes until it is said."""

    def __init__(self, *, stack: str = "lab") -> None:
        text = (HERE / "deployed.jsonl").read_text().replace("urn:pulumi:lab::", f"urn:pulumi:{stack}::")
        self._states = {state["urn"].split("::")[-1]: state for state in map(json.loads, text.splitlines())}
        self._steps = {name: ("same", state, copy.deepcopy(state)) for name, state in self._states.items()}
        self._details: dict[str, dict[str, Any]] = {}
        self.extra: list[dict[str, Any]] = []
        self._stack = stack
        self.packs: dict[str, str] = {}
        self.finished = True
        self.result = "succeeded"

    @property
    def names(self) -> list[str]:
        return list(self._steps)

    def type_of(self, name: str) -> str:
        return str(self._states[name]["type"])

    def inputs(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._states[name]["inputs"]
        return found

    def update(self, name: str, edit: Edit, *, paths: tuple[str, ...] = ()) -> Stream:
        _, old, new = self._steps[name]
        edit(new["inputs"])
        self._steps[name] = ("update", old, new)
        self._details[name] = {"detailedDiff": {path: {"diffKind": "update", "inputDiff": True} for path in paths}}
        return self

    def replace(self, name: str, edit: Edit, *, keys: tuple[str, ...] = ()) -> Stream:
        self.update(name, edit)
        self._steps[name] = ("replace", *self._steps[name][1:])
        self._details[name] = {"keys": list(keys)}
        return self

    def delete(self, name: str, *, retain: bool = False, protect: bool = False) -> Stream:
        old = {**self._states[name], "retainOnDelete": retain, "protect": protect}
        self._steps[name] = ("delete", old, None)
        return self

    def create(self, name: str, token: str, inputs: dict[str, Any], *, owner: str = "") -> Stream:
        urn = f"urn:pulumi:{self._stack}::dapr-osm::{owner}{token}::{name}"
        new = {"type": token, "urn": urn, "id": "", "inputs": inputs, "outputs": {}}
        self._steps[name] = ("create", None, new)
        return self

    def first(self) -> Stream:
        """Everything is created."""
        for name, (_, _, new) in self._steps.items():
            self._steps[name] = ("create", None, new)
        return self

    def gone(self) -> Stream:
        """Everything is deleted."""
        for name in self.names:
            self.delete(name)
        return self

    def outputs(self, edit: Edit) -> Stream:
        edit(self._steps[f"dapr-osm-{'lab'}"][2]["outputs"])
        return self

    def expects(self, edit: Edit) -> Stream:
        """Edit the output ``expectation``, which the program can still read afterwards."""

        def edited(outputs: dict[str, Any]) -> None:
            fields = json.loads(outputs["expectation"])
            edit(fields)
            outputs["expectation"] = Expectation.from_json(json.dumps(fields)).to_json()

        return self.outputs(edited)

    def event(self, **event: Any) -> Stream:
        self.extra.append(event)
        return self

    def lines(self) -> list[str]:
        events: list[dict[str, Any]] = list(self.extra)
        for name, (op, old, new) in self._steps.items():
            known = new or old
            metadata = {
                "op": op,
                "urn": known["urn"],
                "type": known["type"],
                "old": old,
                "new": new,
                "detailedDiff": None,
                **self._details.get(name, {}),
            }
            events.append({"resourcePreEvent": {"metadata": metadata, "planning": True}})
            if op != "delete":
                events.append({"resOutputsEvent": {"metadata": metadata, "planning": True}})
        if self.finished:
            events.append(
                {
                    "summaryEvent": {
                        "isPreview": True,
                        "result": self.result,
                        "resourceChanges": {},
                        "PolicyPacks": self.packs,
                    }
                }
            )
        return [json.dumps({"sequence": number, "timestamp": 1, **event}) for number, event in enumerate(events, 1)]


# What people change, as the program would then declare it.


def dapr_value() -> Stream:
    """Dapr's operator logs at another level."""

    def edit(inputs: dict[str, Any]) -> None:
        args = inputs["spec"]["template"]["spec"]["containers"][0]["args"]
        args[args.index("info")] = "debug"

    return Stream().update("dapr-chart/deployment/dapr-operator", edit)


def _shop(name: str) -> dict[str, Any]:
    return {"kind": "ServiceAccount", "name": name, "namespace": "dapr-test"}


def policy_added() -> Stream:
    """A new app ``shop``, which may call nodeapp."""
    stream = Stream()
    pods = copy.deepcopy(stream.inputs("hello-nodeapp-pods"))
    pods["metadata"]["name"] = "shop"
    pods["spec"]["template"]["metadata"]["annotations"]["dapr.io/app-id"] = "shop"
    pods["spec"]["template"]["spec"]["serviceAccountName"] = "shop"
    account = copy.deepcopy(stream.inputs("hello-nodeapp-account"))
    account["metadata"]["name"] = "shop"
    target = copy.deepcopy(stream.inputs("smi-traffic-target"))
    target["metadata"]["name"] = "shop"
    target["spec"]["sources"] = [_shop("shop")]

    def expect(fields: dict[str, Any]) -> None:
        app = {**fields["apps"][0], "name": "shop", "service_account": "shop"}
        fields["apps"].append(app)
        fields["named"].append({"policy": "shop", "source": "shop", "destination": "nodeapp"})

    policies = "dapr-osm:components:SmiPolicies$"
    stream.create("hello-shop-pods", "kubernetes:apps/v1:Deployment", pods, owner=APP)
    stream.create("hello-shop-account", "kubernetes:core/v1:ServiceAccount", account, owner=APP)
    stream.create("smi-shop-traffic-target", stream.type_of("smi-traffic-target"), target, owner=policies)
    stream.update("smi-revoke", lambda i: _calls(i, [["pythonapp", "nodeapp"], ["shop", "nodeapp"]]))
    return stream.expects(expect)


def _calls(inputs: dict[str, Any], calls: list[list[str]]) -> None:
    told = json.loads(inputs["stdin"])
    told["calls"] = [{"source": source, "destination": destination} for source, destination in calls]
    inputs["stdin"] = json.dumps(told)


def policy_withdrawn() -> Stream:
    """Nobody may call nodeapp any more; both apps stay."""
    stream = Stream().delete("smi-traffic-target").delete("smi-routes")
    stream.update("smi-revoke", lambda inputs: _calls(inputs, []))

    def expect(fields: dict[str, Any]) -> None:
        fields["named"], fields["policies"] = [], []

    return stream.expects(expect)


def app_removed() -> Stream:
    """The app pythonapp goes, and the policy that names it."""
    stream = Stream().delete("smi-traffic-target").delete("smi-routes")
    stream.delete("hello-pythonapp-pods").delete("hello-pythonapp-account").delete("hello-pythonapp")
    stream.update("smi-revoke", lambda inputs: _calls(inputs, []))

    def expect(fields: dict[str, Any]) -> None:
        fields["apps"] = [app for app in fields["apps"] if app["name"] == "nodeapp"]
        fields["named"], fields["policies"] = [], []

    return stream.expects(expect)


def permissive() -> Stream:
    """From ``smi`` back to ``permissive``: every call passes, and the apps lose their ServiceAccounts."""
    stream = Stream().delete("smi-traffic-target").delete("smi-routes").delete("smi-revoke").delete("smi-withdraw")
    stream.delete("hello-pythonapp-account").delete("hello-nodeapp-account")

    def mode(inputs: dict[str, Any]) -> None:
        inputs["spec"]["traffic"]["enablePermissiveTrafficPolicyMode"] = True

    def account(inputs: dict[str, Any]) -> None:
        inputs["spec"]["template"]["spec"]["serviceAccountName"] = "default"

    def expect(fields: dict[str, Any]) -> None:
        fields["stage"], fields["policies"] = "permissive", None
        for app in fields["apps"]:
            app["service_account"] = "default"

    stream.update("exclusions-patch", mode)
    stream.update("hello-pythonapp-pods", account).update("hello-nodeapp-pods", account)
    return stream.expects(expect)


LABEL: Final = "app.kubernetes.io/version"


def release_change() -> Stream:
    """Another release of Dapr: each object changes, a StatefulSet is made anew, schemas have thousands of lines."""
    stream = Stream()

    def labelled(inputs: dict[str, Any]) -> None:
        inputs["metadata"].setdefault("labels", {})[LABEL] = "1.18.2"

    def rolled(inputs: dict[str, Any]) -> None:
        labelled(inputs)
        inputs["spec"]["template"]["metadata"]["labels"][LABEL] = "1.18.2"

    def schemas(inputs: dict[str, Any]) -> None:
        labelled(inputs)
        fields = {f"field{number}": {"type": "string", "description": "Of it\nmore"} for number in range(1000)}
        for version in inputs["spec"]["versions"]:
            version["schema"] = {"openAPIV3Schema": {"properties": fields}}

    for name in stream.names:
        inputs = stream.inputs(name)
        if not name.startswith("dapr-chart/") or "/ready/" in name:
            continue
        inputs["metadata"].setdefault("labels", {})[LABEL] = "1.18.1"
        stream.update(name, lambda inputs: None)
        if inputs["kind"] == "CustomResourceDefinition":
            for version in inputs["spec"]["versions"]:
                version["schema"] = {"openAPIV3Schema": {"properties": {"field0": {"type": "string"}}}}
            stream.update(name, schemas)
        elif "template" in inputs.get("spec", {}):
            stream.update(name, rolled)
        else:
            stream.update(name, labelled)
    stream.replace("dapr-chart/statefulset/dapr-scheduler-server", rolled, keys=("spec",))
    return stream.outputs(lambda outputs: outputs["versions"].update(dapr="1.18.2"))


def exclusions() -> Stream:
    """Port 5432 and a range bypass the mesh, too; so all pods get successors."""

    def lists(inputs: dict[str, Any]) -> None:
        inputs["spec"]["traffic"]["outboundPortExclusionList"].append(5432)
        inputs["spec"]["traffic"]["outboundIPRangeExclusionList"].append("10.1.0.0/16")

    def marked(inputs: dict[str, Any]) -> None:
        inputs["spec"]["template"]["metadata"]["annotations"]["dapr-osm/interception"] = "0123456789abcdef"

    def explain(outputs: dict[str, Any]) -> None:
        reason = "the stack's setting extraPortExclusions"
        outputs["exclusions"]["meshPorts"].append({"port": 5432, "service": "extraPortExclusions", "reason": reason})
        outputs["exclusions"]["ipRanges"].append({"cidr": "10.1.0.0/16", "reason": "extraIpRangeExclusions"})

    stream = Stream().update("exclusions-patch", lists).outputs(explain)
    return stream.update("hello-pythonapp-pods", marked).update("hello-nodeapp-pods", marked)


def redis_image() -> Stream:
    """Another image of Redis: its pod gets a successor, which is empty."""

    def edit(inputs: dict[str, Any]) -> None:
        inputs["spec"]["template"]["spec"]["containers"][0]["image"] = "lab.local/redis:8"

    return Stream().update("hello-redis-server", edit)


SCENARIOS: Final[dict[str, Callable[[], Stream]]] = {
    "dapr-value": dapr_value,
    "policy-added": policy_added,
    "policy-withdrawn": policy_withdrawn,
    "app-removed": app_removed,
    "permissive": permissive,
    "exclusions": exclusions,
    "redis-image": redis_image,
    "release-change": release_change,
    "first": lambda: Stream().first(),
    "gone": lambda: Stream().gone(),
}
