"""The broken setups: each is brought to a stack that works, and taken back again."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final

from lab import api
from tests.support import lab
from tests.support.kubectl import Kubectl
from tests.support.stack import Stack

NAME: Final = "causes"
TIMEOUT: Final = 240
# Of rows that sit it out.
SHORT: Final = 45
# What a message says where a wait ended before its time.
EARLY: Final = re.compile(r"waiting longer can't help|Trying again can't help|SMI objects are not as they should be")
LONGEST_TOLD: Final = 700


class Base:
    """A stack that works, which rows break; destroyed at the end."""

    stack: Stack
    kubectl: Kubectl

    def __enter__(self) -> Base:
        """Bring it up."""
        api.start()
        self.kubectl = lab.kubectl()
        self.stack = lab.stack(NAME, api.paths().data / "test-stacks", stage="smi", timeoutSeconds=TIMEOUT)
        self.stack.cli("cancel", "--yes", "--stack", NAME, ok=None)
        self.stack.run("up", "--yes", "--skip-preview", "--refresh")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Destroy it."""
        self.stack.destroy()


@dataclass(frozen=True, kw_only=True)
class Row:
    """A setup that can't work.

    Attributes:
        config: Settings that make it.
        objects: Objects of an administrator's that make it.
        first: Settings that the stack has, and works with, before it is broken.
        by_hand: What somebody does to a running stack, as arguments of kubectl.
        back: What takes that back where an `up --refresh` does not.
        says: What the message has to say, all of it.
        early: Whether `up` has to end before its time-out.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    objects: Sequence[Mapping[str, Any]] = ()
    first: Mapping[str, Any] = field(default_factory=dict)
    by_hand: Sequence[Sequence[str]] = ()
    back: Sequence[Sequence[str]] = ()
    says: Sequence[str] = ()
    early: bool = True

    def tried(self, base: Base) -> dict[str, Any]:
        """Bring it to the stack, see `up` fail, take it back, and see `up` succeed."""
        manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(self.objects)})
        if self.first:
            base.stack.configure(**self.first)
            base.stack.up()
        if self.objects:
            base.kubectl.run("apply", "-f", "-", stdin=manifest)
            # An admission policy counts from some moment on that nobody tells.
            time.sleep(3)
        for arguments in self.by_hand:
            base.kubectl.run(*arguments)
        base.stack.configure(**self.config)
        began = time.monotonic()
        try:
            said = base.stack.up(ok=False)
            seconds = round(time.monotonic() - began)
        finally:
            if self.objects:
                base.kubectl.run("delete", "--wait", "-f", "-", stdin=manifest)
            for arguments in self.back:
                base.kubectl.run(*arguments)
            base.stack.configure(**dict.fromkeys([*self.config, *self.first]))
            base.stack.run("up", "--yes", "--skip-preview", "--refresh")
        # The preview's part of the output has names of everything in it.
        wrong = said[max(0, said.find("error:")) :]
        assert "Traceback" not in said, said[said.index("Traceback") - 500 :]
        for part in self.says:
            assert part in wrong, f"{part!r} is not in what was said:\n{wrong[:4000]}"
        early = EARLY.search(said) is not None
        assert early is self.early, f"ended {'early' if early else 'late'}:\n{said[-4000:]}"
        assert not early or seconds < TIMEOUT, "that is no sooner than the time-out"
        return {"seconds": seconds, "early": early, "said": told(wrong, self.says[0])}


def told(said: str, part: str) -> str:
    """The line of the message that says it, without what Pulumi puts around."""
    around = ("waiting:", "pulumi:pulumi:Stack")
    lines = [line.strip() for line in said.splitlines() if part in line and not any(word in line for word in around)]
    return " ".join((lines or [part])[-1].removeprefix("error:").split())[:LONGEST_TOLD]


ENFORCE: Final = "pod-security.kubernetes.io/enforce"
# A change that makes nodeapp's pods anew, with whatever is wrong by now.
ROLLED: Final[Mapping[str, Any]] = {"apps": {"nodeapp": {"env": {"COLOUR": "blue"}}}}


def _claim(storage_class: str) -> dict[str, Any]:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": "1Mi"}},
    }
    metadata = {"name": "dapr-osm-causes", "namespace": "dapr-test"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


CLASS: Final = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "dapr-osm-causes"},
    "provisioner": "driver.example.com",
}
CLAIMED: Final[Mapping[str, Any]] = {
    "apps": {
        "nodeapp": {
            "pod": {"spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "dapr-osm-causes"}}]}}
        }
    }
}


def _patched(kind: str, name: str, namespace: str, content: Mapping[str, Any]) -> tuple[str, ...]:
    return ("patch", kind, name, "-n", namespace, "--type=merge", "-p", json.dumps(content))


def _down(namespace: str, deployment: str) -> list[tuple[str, ...]]:
    gone = ("wait", "pod", "-n", namespace, "-l", f"app={deployment}", "--for=delete", "--timeout=90s")
    return [("scale", f"deployment/{deployment}", "-n", namespace, "--replicas=0"), gone]


def _excluded(*ports: int) -> list[tuple[str, ...]]:
    traffic = {"outboundPortExclusionList": list(ports)}
    return [_patched("meshconfig", "osm-mesh-config", "osm-system", {"spec": {"traffic": traffic}})]


def _node(overlay: Mapping[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    pod = {"pod": {"spec": {"containers": [{"name": "node", **overlay}]}}} if overlay else {}
    return {"apps": {"nodeapp": {**settings, **pod}}}


QUOTA: Final = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "dapr-osm-causes", "namespace": "dapr-test"},
    "spec": {"hard": {"pods": "1"}},
}
LIMITS_QUOTA: Final = {**QUOTA, "spec": {"hard": {"limits.memory": "8Gi"}}}
POLICY: Final = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "dapr-osm-causes"},
    "spec": {
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "validations": [{"expression": "false", "message": "images must come from our own registry"}],
    },
}
BINDING: Final = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "dapr-osm-causes"},
    "spec": {
        "policyName": "dapr-osm-causes",
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "dapr-test"}}},
    },
}

ROWS: Final[Mapping[str, Row]] = {
    "an image that no registry has (of a host that nobody knows)": Row(
        config={"nodeAppImage": "registry.invalid/nothing:0"},
        says=["container node: ", "registry.invalid/nothing:0", "Deployment dapr-test/nodeapp has 0 of 1 pods ready"],
    ),
    "a container that is to run as root, where the pod says that none may": Row(
        config=_node({"securityContext": {"runAsUser": 0}}), says=["CreateContainerConfigError", "container node"]
    ),
    "a command that the image does not have": Row(
        config=_node({"command": ["/nothing"]}), says=["container node", "no such file or directory"]
    ),
    "an app that ends with an error again and again": Row(
        config=_node({"command": ["sh", "-c", "echo no licence found; exit 3"]}),
        says=["exit code 3; its last lines: no licence found"],
    ),
    "a Secret that does not exist": Row(
        config={**_node({"envFrom": [{"secretRef": {"name": "nothing"}}]}), "timeoutSeconds": SHORT},
        says=["CreateContainerConfigError", 'secret "nothing" not found'],
        early=False,
    ),
    "a readiness probe that nothing answers": Row(
        config={**_node({"readinessProbe": {"tcpSocket": {"port": 9}}}), "timeoutSeconds": SHORT},
        says=["Readiness probe failed"],
        early=False,
    ),
    "requests that no node has room for": Row(
        config=_node(resources={"requests": {"cpu": "64"}}),
        says=["Unschedulable", "Insufficient cpu", "the largest node has"],
    ),
    "a node selector that no node has": Row(
        config={"apps": {"nodeapp": {"pod": {"spec": {"nodeSelector": {"disk": "fast"}}}}}},
        says=["Unschedulable", "node affinity/selector"],
    ),
    "PodSecurity restricted where the apps are, set by somebody else": Row(
        config=_node(env={"COLOUR": "blue"}),
        by_hand=[("label", "namespace", "dapr-test", f"{ENFORCE}=restricted")],
        back=[("label", "namespace", "dapr-test", f"{ENFORCE}-")],
        says=['violates PodSecurity "restricted', "ReplicaSet nodeapp"],
    ),
    "PodSecurity restricted where Dapr is": Row(
        config={"daprValues": {"dapr_sentry": {"logLevel": "debug"}}},
        # In the config it would be refused.
        by_hand=[("label", "namespace", "dapr-system", f"{ENFORCE}=restricted")],
        back=[("label", "namespace", "dapr-system", f"{ENFORCE}-")],
        says=['violates PodSecurity "restricted', "ReplicaSet dapr-sentry"],
    ),
    "a quota that is used up": Row(config=_node(env={"COLOUR": "blue"}), objects=[QUOTA], says=["exceeded quota"]),
    "a quota that asks for limits": Row(
        config=_node(env={"COLOUR": "blue"}), objects=[LIMITS_QUOTA], says=["must specify limits.memory"]
    ),
    "an admission policy that refuses pods": Row(
        config=_node(env={"COLOUR": "blue"}),
        objects=[POLICY, BINDING],
        says=["denied request: images must come from our own registry"],
    ),
    "a claim that nothing provides for": Row(
        config=CLAIMED, objects=[_claim("nothing")], says=["PersistentVolumeClaim dapr-osm-causes", "nothing"]
    ),
    "a claim of a class whose driver is missing": Row(
        config=CLAIMED, objects=[CLASS, _claim("dapr-osm-causes")], says=["driver.example.com"]
    ),
    "a Component with another password than Redis's": Row(
        config=ROLLED,
        by_hand=[
            _patched(
                *("component", "statestore", "dapr-test"),
                {
                    "spec": {
                        "metadata": [
                            {"name": "redisHost", "value": "redis:6379"},
                            {"name": "redisPassword", "value": "not-the-one"},
                        ]
                    }
                },
            )
        ],
        says=["WRONGPASS"],
    ),
    "the apps' namespace not joined to the mesh": Row(
        config=ROLLED,
        by_hand=[("label", "namespace", "dapr-test", "openservicemesh.io/monitored-by-")],
        says=["openservicemesh.io/monitored-by"],
    ),
    "a policy that names another source": Row(
        config=ROLLED,
        by_hand=[
            _patched(
                *("traffictarget", "pythodapp-traffic-target", "dapr-test"),
                {"spec": {"sources": [{"kind": "ServiceAccount", "name": "default", "namespace": "dapr-test"}]}},
            )
        ],
        says=["pythodapp-traffic-target was changed by kubectl-patch (spec.sources)"],
    ),
    "Dapr's operator down": Row(config=ROLLED, by_hand=_down("dapr-system", "dapr-operator"), says=["dapr-operator"]),
    "Dapr's injector down": Row(
        config=ROLLED, by_hand=_down("dapr-system", "dapr-sidecar-injector"), says=["dapr-sidecar-injector"]
    ),
    "OSM's injector down": Row(config=ROLLED, by_hand=_down("osm-system", "osm-injector"), says=["osm-injector"]),
    "OSM's controller down": Row(config=ROLLED, by_hand=_down("osm-system", "osm-controller"), says=["osm-controller"]),
    **{
        f"{what} not excluded from the mesh, egress off": Row(
            first={"enableEgress": False},
            config=ROLLED,
            by_hand=_excluded(*ports),
            says=[f"it no longer has port {missing}"],
        )
        # 443 and 80 are excluded on the pods, which every roll does anew.
        for what, missing, ports in (("Redis", 6379, (50005, 8201, 50006)), ("placement", 50005, (6379, 8201, 50006)))
    },
}
