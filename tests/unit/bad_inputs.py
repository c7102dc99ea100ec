"""Configs that can't work, as data: which rule has something against them, and under which key.

A case is wrong in one place only, so that rule and key are all that may be told of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from model.exclusions import MAX_PORTS
from model.versions import DAPR_RELEASES
from settings import MOST_REPLICAS, SECRET_KEYS


@dataclass(frozen=True, kw_only=True)
class Bad:
    """A config that is refused.

    Attributes:
        rule: Name of the rule that refuses it: of a Rule or a Between, or what a Kind asks for.
        keys: The keys to blame.
        config: What it sets, beside a password.
        secret: What is given as secret.
        provider: What it sets of the Kubernetes provider's.
    """

    rule: str
    keys: tuple[str, ...]
    config: Mapping[str, Any]
    secret: tuple[str, ...] = SECRET_KEYS
    provider: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """What a test report shows."""
        return ascii(f"{self.rule}: {dict(self.config)} {dict(self.provider) or ''}")[:100]


def each(rule: str, key: str, *values: Any, **others: Any) -> Iterator[Bad]:
    """Values of one top-level key."""
    for value in values:
        yield Bad(rule=rule, keys=(key,), config={key: value, **others})


def inside(rule: str, key: str, *values: Any) -> Iterator[Bad]:
    """Whole values of one top-level key, each with the nested key to blame."""
    for path, value in values:
        yield Bad(rule=rule, keys=(path,), config={key: value})


SHOP: Final[Mapping[str, Any]] = {"image": "registry.example/shop:1", "port": 8080}


def shop(rule: str, key: str, *values: Any, **others: Any) -> Iterator[Bad]:
    """Values of one key of an app."""
    for value in values:
        config = {"apps": {"shop": {**SHOP, **others, key: value}}}
        yield Bad(rule=rule, keys=(f"apps.shop.{key}",), config=config)


def pod(rule: str, *cases: tuple[str, Mapping[str, Any]], **others: Any) -> Iterator[Bad]:
    """What is laid over an app's pods, each with the key to blame."""
    for path, value in cases:
        where = f"apps.shop.pod.{path}"
        yield Bad(rule=rule, keys=(where,), config={"apps": {"shop": {**SHOP, **others, "pod": value}}})


def policy(rule: str, path: str, *values: Mapping[str, Any], **others: Any) -> Iterator[Bad]:
    """Policies called ``p``, among apps that listen and one that doesn't."""
    apps = {"shop": SHOP, "audit": SHOP, "job": {"image": "i"}, "far": {**SHOP, "namespace": "far"}}
    for value in values:
        yield Bad(rule=rule, keys=(f"policies.p{path}",), config={"apps": apps, "policies": {"p": value}, **others})


PAGES: Final[Mapping[str, Any]] = {"destination": "nodeapp", "sources": ["pythonapp"]}
AUDITS: Final[Mapping[str, Any]] = {"destination": "shop", "sources": ["audit"]}


def container(**fields: Any) -> Mapping[str, Any]:
    """An overlay of the app's own container."""
    return {"spec": {"containers": [{"name": "shop", **fields}]}}


def sidecar(**fields: Any) -> Mapping[str, Any]:
    """An overlay with one more container."""
    return {"spec": {"containers": [{"name": "proxy", "image": "proxy:1", **fields}]}}


def holding(power: str) -> Mapping[str, Any]:
    """A security context with a capability."""
    return {"capabilities": {"add": [power]}}


def annotated(name: str, value: Any) -> tuple[str, Mapping[str, Any]]:
    """An overlay with an annotation, and where that is."""
    return f"metadata.annotations.{name}", {"metadata": {"annotations": {name: value}}}


def nested(path: str, value: Any) -> dict[str, Any]:
    """Helm values with one value in them."""
    for part in reversed(path.split(".")):
        value = {part: value}
    result: dict[str, Any] = value
    return result


ENFORCE: Final = "pod-security.kubernetes.io/enforce"
JOINED: Final = "openservicemesh.io/monitored-by"
USER: Final = {"username": "u", "password": "p"}
NO_OBJECTS: Final[tuple[Any, ...]] = (5, "text", True)
OWN: Final = "spec.containers.shop"
NEW: Final = "spec.containers.proxy"
BY_ADDRESS: Final = next(v for v, release in DAPR_RELEASES.items() if not release.route.by_http)
BY_HTTP: Final = tuple(v for v, release in DAPR_RELEASES.items() if release.route.by_http)
BY_FORMAT: Final = tuple(v for v, release in DAPR_RELEASES.items() if not release.route.across_namespaces)
CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def newer(version: str, by: int) -> str:
    """A later patch release."""
    minor, _, patch = version.rpartition(".")
    return f"{minor}.{int(patch) + by}"


NEWEST: Final = max(DAPR_RELEASES, key=lambda version: [int(number) for number in version.split(".")])

BAD: Final[tuple[Bad, ...]] = (
    # --- kinds of values ---
    *each("one of dapr, permissive, locked, smi", "stage", "smii", "SMI", ""),
    *each("one of calls, pods, off", "verify", "pod", "on", "all"),
    *each("one of page, minimal", "exclusions", "none", "minimum", ""),
    *each("one of mesh, pod", "portScope", "pods", "both", ""),
    *each("one of secret, component", "redisPasswordIn", "secrets", "clear", ""),
    *each("one of true, false", "readAllSecrets", "yes", "TRUE", ""),
    *each("one of true, false", "protect", "on", "1", "0"),
    *each("one of true, false", "takeOverCrds", "maybe"),
    *each("one of true, false", "keepShared", "keep"),
    *each("one of true, false", "allowUntriedDapr", "1.18"),
    *each("a number of seconds from 30 to 3600", "timeoutSeconds", "29", "3601", "5m", ""),
    *each("a number of seconds from 30 to 3600", "verifySeconds", "-60", "60.5", "two", "True"),
    *each("a list of namespaces", "existingNamespaces", "{}", "shop", "1"),
    *each("an object of namespaces", "namespaceLabels", "[]", "team", "1"),
    *each("an object of namespaces", "namespaceAnnotations", "[]", "team"),
    *inside(
        "an object of texts by key",
        "namespaceLabels",
        ("namespaceLabels.dapr-test", {"dapr-test": "team"}),
        ("namespaceLabels.dapr-test", {"dapr-test": ["team"]}),
        ("namespaceLabels.dapr-test", {"dapr-test": None}),
    ),
    *each("an object of apps by app id", "apps", "[]", "1", "nodeapp", "[" * 9999, f"[{'9' * 5000}]"),
    *inside("an object with an app's keys", "apps", *(("apps.shop", {"shop": given}) for given in NO_OBJECTS)),
    *each("an object of policies by name", "policies", "[]", "1", "p"),
    *inside("an object with a policy's keys", "policies", *(("policies.p", {"p": given}) for given in NO_OBJECTS)),
    *each("an object of Helm values", "daprValues", "[]", "global", "1"),
    *each("an object of Helm values", "osmValues", "a: b"),
    *each("a list of TCP ports", "extraPortExclusions", "80", "80,443", "{}"),
    *each("a list of IPv4 CIDRs", "extraIpRangeExclusions", "10.0.0.0/8", "{}", "8"),
    *each("an object with username, password, caCert", "chartCredentials", "[]", "user:password", "1"),
    *shop("a text", "image", 5, True, ["shop:1"]),
    *shop("a text", "namespace", 5, {}),
    *shop("a TCP port from 1 to 65535", "port", 0, 65536, -1, True, "http", 8080.5),
    *shop("a TCP port from 1 to 65535", "servicePort", 0, 65536, "http"),
    *shop(
        f'a number of pods from 1 to {MOST_REPLICAS}, or the word "hpa"',
        *("replicas", 0, MOST_REPLICAS + 1, -1, "many", "HPA", True, 1.5, "0", "00", "-0", 0.0, " 0 "),
    ),
    *shop("an object of texts", "env", [], "A=1", 5),
    *shop("an object with requests and limits", "resources", [], "100m", 5),
    *shop("an object with metadata and spec", "pod", [], "spec", 5),
    *policy("a list of app ids", ".sources", *({**AUDITS, "sources": given} for given in NO_OBJECTS)),
    # --- keys that there are not ---
    *(Bad(rule="unknown-key", keys=(key,), config={key: "x"}) for key in ("stages", "Stage", "redisPasword", "zzz")),
    *shop("unknown-key", "replica", 1),
    *shop("unknown-key", "ports", [8080]),
    *policy("unknown-key", ".path", {"destination": "shop", "sources": ["audit"], "path": "/"}),
    *inside("unknown-key", "chartCredentials", ("chartCredentials.user", {"user": "u"})),
    # --- names ---
    *each("label", "appsNamespace", "", "Apps", "a.b", "-a", "a" * 64),
    *each("label", "daprNamespace", "dapr_system"),
    *each("label", "existingNamespaces", ["Dapr"]),
    *shop("label", "namespace", "", "Back", "a b"),
    *each("own-namespace", "daprNamespace", "default", "kube-system"),
    *each("own-namespace", "osmNamespace", "kube-node-lease"),
    *each("own-namespace", "appsNamespace", "kube-anything"),
    *inside(
        "app-id",
        "apps",
        *(
            (f"apps.{name}", {name: SHOP})
            for name in ("2checkout", "42", "Shop", "my_shop", "-shop", "my.shop", "a" * 59, "redis", "daprd", "envoy")
        ),
    ),
    *inside(
        "policy-name",
        "policies",
        *(
            (f"policies.{name}", {name: {"destination": "nodeapp", "sources": ["pythonapp"]}})
            for name in ("P", "a_b", "a.b")
        ),
    ),
    # --- images and registries ---
    *each(
        "image", "redisImage", "redis 7", "redis:", "redis@sha256:12", "Redis:7", "library//redis", "redis:" + "a" * 129
    ),
    *each("image", "envoyImage", "https://ghcr.example/envoy", "registry.example:port/envoy", "envoy:-1", "a" * 256),
    *each("image", "nodeAppImage", "$(id)", "node@sha256:" + "A" * 64, "f" * 64, "registry.example:70000/node"),
    *each("image", "curlImage", "registry.example/Curl:1", "curl:1@md5:" + "0" * 32),
    *shop("image", "image", "a b", "shop:1:2", "_/shop"),
    *each("given-image", "redisImage", ""),
    *each("given-image", "nodeAppImage", " "),
    *each("given-image", "pythonAppImage", ""),
    *each("registry", "daprRegistry", "a b", "registry.example/", "registry.example/dapr:1", "Registry.example/Dapr"),
    *each("registry", "osmRegistry", "https://x/y", "registry.example//osm"),
    # --- ports and ranges ---
    *shop("app-port", "port", 3500, 50001, 50002, 9090, 15000, 15001, 15003, 15010, 15901, 15904),
    *shop("privileged-port", "port", 1, 80, 443, 1023),
    *each("excluded-ports", "extraPortExclusions", [0], [65536], ["80"], [True], [80.5], [None], [50002], ["1-1024"]),
    *each("union-limit", "extraPortExclusions", *(list(range(7000, 7000 + MAX_PORTS + more)) for more in range(3))),
    *each(
        "excluded-ranges",
        "extraIpRangeExclusions",
        *([one] for one in ("10.0.0.1", "0.0.0.0/0", "10.0.0.1/8", "10.0.0.0/33", "fd00::/8", "999.0.0.0/8", "", None)),
        ["10.0.0.0/255.0.0.0"],
        ["0.0.0.0/1", "128.0.0.0/1"],
        ["128.0.0.0/2", "0.0.0.0/1", "192.0.0.0/2", "10.0.0.0/8"],
    ),
    # --- resources ---
    *(
        Bad(
            rule="resources",
            keys=(f"apps.shop.resources{path}",),
            config={"apps": {"shop": {**SHOP, "resources": given}}},
        )
        for path, given in (
            (".limit", {"limit": {"memory": "1Gi"}}),
            (".request", {"request": {}}),
            (".limits", {"limits": "1Gi"}),
            (".limits.mem", {"limits": {"mem": "1Gi"}}),
            (".limits.memory", {"limits": {"memory": "1GB"}}),
            (".limits.memory", {"limits": {"memory": "100m"}}),
            (".limits.memory", {"limits": {"memory": "-1Gi"}}),
            (".limits.memory", {"limits": {"memory": ""}}),
            (".limits.memory", {"limits": {"memory": None}}),
            (".requests.cpu", {"requests": {"cpu": "a lot"}}),
            (".requests.cpu", {"requests": {"cpu": "0.1m"}}),
            (".requests.cpu", {"requests": {"cpu": True}}),
            (".requests.cpu", {"requests": {"cpu": "2"}, "limits": {"cpu": "1500m"}}),
            (".requests.memory", {"requests": {"memory": "1Gi"}, "limits": {"memory": "1G"}}),
            (".requests.gpu", {"requests": {"gpu": "1"}}),
            (".limits.memory", {"limits": {"memory": "128"}}),
            (".requests.memory", {"requests": {"memory": 64}}),
            (".requests.memory", {"requests": {"memory": "1e400"}, "limits": {"memory": "1Gi"}}),
        )
    ),
    # --- environment ---
    *(
        Bad(rule="env-names", keys=(f"apps.shop.env.{name}",), config={"apps": {"shop": {**SHOP, "env": {name: "1"}}}})
        for name in ("1A", "A B", "A=B", "", "DAPR_HTTP_PORT", "DAPR_GRPC_PORT", "APP_PROTOCOL")
    ),
    *(
        Bad(rule="env-values", keys=("apps.shop.env.A",), config={"apps": {"shop": {**SHOP, "env": {"A": value}}}})
        for value in (1, True, None, ["x"], "a\0b")
    ),
    *inside(
        "walkthroughs-apps",
        "apps",
        ("apps.nodeapp.env", {"nodeapp": {"env": {"APP_PORT": "1"}}}),
        ("apps.nodeapp.image", {"nodeapp": {"image": "i:1"}}),
        ("apps.nodeapp.port", {"nodeapp": {"port": 8080}}),
        ("apps.pythonapp.servicePort", {"pythonapp": {"servicePort": 80}}),
        ("apps.pythonapp.namespace", {"pythonapp": {"namespace": "back"}}),
    ),
    # --- apps among each other ---
    *inside("null-app", "apps", *((f"apps.{name}", {name: None}) for name in ("shop", "nodeap", "redis"))),
    *inside(
        "daprs-services",
        "apps",
        ("apps.shop-dapr", {"shop": SHOP, "shop-dapr": SHOP}),
        ("apps.nodeapp-dapr", {"nodeapp-dapr": SHOP}),
        ("apps.a-dapr-dapr", {"a-dapr": SHOP, "a-dapr-dapr": SHOP}),
    ),
    *(
        Bad(
            rule="any-app",
            keys=("apps",),
            config={
                "apps": {"nodeapp": None, "pythonapp": None},
                "policies": {"pythodapp-traffic-target": None},
                **others,
            },
        )
        for others in ({}, {"stage": "dapr"}, {"stage": "locked"})
    ),
    *inside(
        "app-image",
        "apps",
        *(("apps.shop.image", {"shop": given}) for given in ({}, {"port": 8080}, {"image": ""}, {"image": None})),
    ),
    *inside(
        "service-port",
        "apps",
        *(("apps.shop.servicePort", {"shop": {"image": "i", "servicePort": port}}) for port in (1, 80, "443")),
    ),
    *(
        Bad(
            rule="app-namespaces",
            keys=("apps.shop.namespace",),
            config={"apps": {"shop": {**SHOP, "namespace": namespace}}},
        )
        for namespace in ("dapr-system", "osm-system", "default", "kube-system")
    ),
    # --- pods ---
    *pod(
        "pod-template",
        ("specs", {"specs": {}}),
        ("spec", {"spec": []}),
        ("metadata.name", {"metadata": {"name": "x"}}),
        ("metadata.label", {"metadata": {"label": {}}}),
        ("metadata.labels", {"metadata": {"labels": []}}),
        ("spec.toleration", {"spec": {"toleration": []}}),
        ("spec.tolerations", {"spec": {"tolerations": {}}}),
        ("spec.tolerations.0.kee", {"spec": {"tolerations": [{"kee": "a"}]}}),
        ("spec.containers.0", {"spec": {"containers": [None]}}),
        (f"{OWN}.env.0", container(env=[None])),
        *(
            (f"{OWN}.securityContext.capabilities.add", container(securityContext={"capabilities": {"add": power}}))
            for power in (True, 5, "NET_ADMIN")
        ),
        ("spec.volumes.v.emptyDir.sizeLimit", {"spec": {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1GB"}}]}}),
        ("spec.nodeSelector.disk", {"spec": {"nodeSelector": {"disk": True}}}),
        ("spec.terminationGracePeriodSeconds", {"spec": {"terminationGracePeriodSeconds": "30"}}),
        (f"{OWN}.readinessProb", container(readinessProb={})),
        (f"{OWN}.readinessProbe.httpGet.paht", container(readinessProbe={"httpGet": {"paht": "/", "port": 1}})),
        ("spec.volumes.v.emptydir", {"spec": {"volumes": [{"name": "v", "emptydir": {}}]}}),
        ("spec.securityContext.runAsUser", {"spec": {"securityContext": {"runAsUser": "root"}}}),
    ),
    *pod(
        "pod-protected",
        *(
            (f"spec.{name}", {"spec": {name: value}})
            for name, value in (
                ("serviceAccountName", "admin"),
                ("hostNetwork", True),
                ("dnsPolicy", "Default"),
                ("shareProcessNamespace", True),
                ("hostPID", True),
                ("restartPolicy", "Never"),
                ("automountServiceAccountToken", False),
            )
        ),
        ("spec.volumes.dapr-identity-token", {"spec": {"volumes": [{"name": "dapr-identity-token", "emptyDir": {}}]}}),
    ),
    *pod(
        "pod-marks",
        *(
            (f"metadata.labels.{name}", {"metadata": {"labels": {name: value}}})
            for name, value in (
                ("app", "other"),
                ("osm-proxy-uuid", "1"),
                ("openservicemesh.io/x", "1"),
                ("a b", "1"),
                ("team", "a b"),
                ("team", 1),
                ("dapr-osm/stack", "me"),
            )
        ),
        *(
            annotated(name, "x")
            for name in (
                "dapr.io/enabled",
                "dapr.io/app-id",
                "dapr.io/grpc-port",
                "dapr.io/app-protocol",
                "dapr.io/enable-native-sidecar",
                "dapr.io/enable-debug",
                "openservicemesh.io/outbound-port-exclusion-list",
                "openservicemesh.io/sidecar-injection",
                "dapr-osm/dapr",
            )
        ),
    ),
    *pod(
        "pod-security",
        ("spec.securityContext.runAsUser", {"spec": {"securityContext": {"runAsUser": 1500}}}),
        (f"{OWN}.securityContext.runAsUser", container(securityContext={"runAsUser": 1500})),
        (f"{OWN}.securityContext.privileged", container(securityContext={"privileged": True})),
        (
            f"{OWN}.securityContext.capabilities.add",
            container(securityContext={"capabilities": {"add": ["NET_ADMIN"]}}),
        ),
        (f"{NEW}.securityContext.capabilities.add", sidecar(securityContext={"capabilities": {"add": ["ALL"]}})),
        (f"{NEW}.securityContext.capabilities.add", sidecar(securityContext=holding("net_admin"))),
        (f"{OWN}.securityContext.capabilities.add", container(securityContext=holding("cap_sys_admin"))),
        (
            "spec.initContainers.first.securityContext.privileged",
            {"spec": {"initContainers": [{"name": "first", "image": "i", "securityContext": {"privileged": True}}]}},
        ),
    ),
    *pod(
        "daprd-annotations",
        *(
            annotated(f"dapr.io/{name}", value)
            for name, value in (
                ("sidecar-cpu-limit", "much"),
                ("sidecar-memory-limit", "128MB"),
                ("sidecar-memory-request", "0"),
                ("sidecar-cpu-limits", "100m"),
                ("grpc-ports", "1"),
                ("zzz", "1"),
                ("app-max-concurrency", "five"),
                ("sidecar-readiness-probe-delay-seconds", "5s"),
                ("debug-port", "1.5"),
                ("enable-metrics", "disabled"),
                ("log-as-json", ""),
                ("log-level", "verbose"),
                ("log-level", "debug info"),
                ("sidecar-seccomp-profile-type", "runtime/default"),
                ("max-body-size", "16MB"),
                ("block-shutdown-duration", "30"),
            )
        ),
        (
            "metadata.annotations.dapr.io/sidecar-memory-request",
            {
                "metadata": {
                    "annotations": {"dapr.io/sidecar-memory-request": "1Gi", "dapr.io/sidecar-memory-limit": "512Mi"}
                }
            },
        ),
    ),
    *pod(
        "pod-containers",
        (f"{OWN}.image", container(image="other:1")),
        (f"{OWN}.ports", container(ports=[{"containerPort": 1}])),
        (f"{OWN}.resources", container(resources={})),
        *(
            (f"{OWN}.securityContext.runAsUser", container(securityContext={"runAsUser": 0, **more}))
            for more in ({}, {"runAsNonRoot": True})
        ),
        (f"{OWN}.env.A", container(env=[{"name": "A", "value": "2"}])),
        ("spec.containers.0", {"spec": {"containers": [{"image": "i"}]}}),
        ("spec.containers.envoy", {"spec": {"containers": [{"name": "envoy", "image": "i"}]}}),
        (f"{NEW}.image", {"spec": {"containers": [{"name": "proxy"}]}}),
        (f"{NEW}.ports", sidecar(ports=[{"containerPort": 15001}])),
        (f"{NEW}.ports", sidecar(ports=[{"containerPort": 8080}])),
        (f"{NEW}.resources.limits.memory", sidecar(resources={"limits": {"memory": "1GB"}})),
        ("spec.initContainers.shop", {"spec": {"initContainers": [{"name": "shop", "image": "i"}]}}),
        ("spec.containers", {"spec": {"containers": None}}),
        (NEW, {"spec": {"containers": [{"name": "proxy", "image": "i"}] * 2}}),
        (
            "spec.initContainers.proxy",
            {"spec": {kind: [{"name": "proxy", "image": "i"}] for kind in ("containers", "initContainers")}},
        ),
        ("spec.containers.My_Proxy", {"spec": {"containers": [{"name": "My_Proxy", "image": "i"}]}}),
        (f"{NEW}.image", sidecar(image="https://registry.example/proxy:1")),
        (f"{NEW}.image", sidecar(image="Proxy:1")),
        (f"{NEW}.ports", sidecar(ports=[{"containerPort": 70000}])),
        (f"{NEW}.ports", sidecar(ports=[{"containerPort": 7000, "hostPort": 0}])),
        (
            "spec.containers.other.ports",
            {
                "spec": {
                    "containers": [
                        {"name": name, "image": "i", "ports": [{"containerPort": 7000}]} for name in ("proxy", "other")
                    ]
                }
            },
        ),
        (f"{OWN}.env.DAPR_HTTP_PORT", container(env=[{"name": "DAPR_HTTP_PORT", "value": "1"}])),
        (f"{NEW}.env.1A", sidecar(env=[{"name": "1A", "value": "1"}])),
        (f"{NEW}.env.0", sidecar(env=[{"value": "1"}])),
        (f"{NEW}.env.A", sidecar(env=[{"name": "A", "value": "a\0b"}])),
        (f"{OWN}.volumeMounts", container(volumeMounts=[{"name": "data", "mountPath": "/data"}])),
        (
            f"{NEW}.volumeMounts",
            {
                "spec": {
                    "volumes": [{"name": "data", "emptyDir": {}}],
                    "containers": [
                        {"name": "proxy", "image": "i", "volumeMounts": [{"name": "date", "mountPath": "/data"}]}
                    ],
                }
            },
        ),
        env={"A": "1"},
    ),
    *(
        Bad(
            rule="api-token",
            keys=(f"apps.{app}.pod.metadata.annotations.dapr.io/api-token-secret",),
            config={
                "apps": {
                    app: {**given, "pod": {"metadata": {"annotations": {"dapr.io/api-token-secret": "token"}}}},
                },
                **more,
            },
        )
        for app, given, more in (
            ("shop", SHOP, {}),
            ("nodeapp", {}, {"verify": "calls"}),
            ("pythonapp", {}, {"stage": "dapr"}),
        )
    ),
    *pod(
        "probe-ports",
        *(
            (f"{OWN}.readinessProbe.tcpSocket.port", container(readinessProbe={"tcpSocket": {"port": port}}))
            for port in ("http", "8080", 0, 65536, True, None, [8080])
        ),
        (
            f"{NEW}.startupProbe.httpGet.port",
            sidecar(ports=[{"name": "web", "containerPort": 8081}], startupProbe={"httpGet": {"port": "wbe"}}),
        ),
    ),
    *pod(
        "probes-in-the-mesh",
        # daprd's is by TCP.
        (f"{OWN}.livenessProbe.httpGet", container(livenessProbe={"httpGet": {"port": 8080}})),
        (f"{NEW}.livenessProbe.httpGet", sidecar(livenessProbe={"httpGet": {"port": 8081}})),
        # And this by HTTP.
        (f"{OWN}.readinessProbe.httpGet", container(readinessProbe={"httpGet": {"port": 8080, "scheme": "HTTPS"}})),
        (f"{OWN}.readinessProbe.grpc", container(readinessProbe={"grpc": {"port": 8080}})),
        (f"{OWN}.lifecycle.postStart.httpGet", container(lifecycle={"postStart": {"httpGet": {"port": 8080}}})),
        (
            "spec.initContainers.first.startupProbe.tcpSocket",
            {"spec": {"initContainers": [{"name": "first", "image": "i", "startupProbe": {"tcpSocket": {"port": 1}}}]}},
        ),
    ),
    *(
        Bad(
            rule="probes-in-the-mesh",
            keys=(f"apps.shop.pod.{OWN}.{kind}.tcpSocket",),
            config={
                "daprVersion": "1.12.0",
                "apps": {"shop": {**SHOP, "pod": container(**{kind: {"tcpSocket": {"port": 8080}}})}},
            },
        )
        for kind in ("livenessProbe", "readinessProbe")
    ),
    # --- namespaces ---
    *(
        Bad(rule="distinct-namespaces", keys=keys, config=dict.fromkeys(keys, "same"))
        for keys in (
            ("daprNamespace", "osmNamespace"),
            ("daprNamespace", "appsNamespace"),
            ("osmNamespace", "appsNamespace"),
            ("daprNamespace", "osmNamespace", "appsNamespace"),
        )
    ),
    *each("existing-namespaces", "existingNamespaces", ["dapr-tests"], ["shop"], ["osm-system", "elsewhere"]),
    *inside(
        "marked-namespaces",
        "namespaceLabels",
        ("namespaceLabels", {"dapr-tst": {}}),
        ("namespaceLabels.dapr-test.a b", {"dapr-test": {"a b": "1"}}),
        ("namespaceLabels.dapr-test.team", {"dapr-test": {"team": 1}}),
        ("namespaceLabels.dapr-test.team", {"dapr-test": {"team": "a b"}}),
        (
            "namespaceLabels.dapr-test.openservicemesh.io/monitored-by",
            {"dapr-test": {"openservicemesh.io/monitored-by": "x"}},
        ),
    ),
    *inside(
        "marked-namespaces",
        "namespaceAnnotations",
        ("namespaceAnnotations", {"kube-system": {"a": "1"}}),
        ("namespaceAnnotations.dapr-test.a", {"dapr-test": {"a": True}}),
    ),
    *inside(
        "pod-security-level",
        "namespaceLabels",
        *(
            (f"namespaceLabels.dapr-test.{mark}", {"dapr-test": {mark: level}})
            for mark, level in (
                ("pod-security.kubernetes.io/enforce", "baseline"),
                ("pod-security.kubernetes.io/enforce", "restricted"),
            )
        ),
    ),
    *inside(
        "pod-security-level",
        "namespaceLabels",
        *(
            (f"namespaceLabels.{namespace}.{ENFORCE}", {namespace: {ENFORCE: "restricted"}})
            for namespace in ("dapr-system", "osm-system")
        ),
    ),
    *inside(
        "pod-security-value",
        "namespaceLabels",
        *(
            (f"namespaceLabels.{namespace}.pod-security.kubernetes.io/{mode}", {namespace: {label: value}})
            for namespace, mode, value in (
                ("dapr-test", "enforce", "Restricted"),
                ("dapr-system", "warn", "strict"),
                ("osm-system", "audit", ""),
                ("dapr-test", "enforce-version", "1.33"),
            )
            for label in [f"pod-security.kubernetes.io/{mode}"]
        ),
    ),
    Bad(
        rule="pod-security-level",
        keys=("namespaceLabels.back.pod-security.kubernetes.io/enforce",),
        config={
            "stage": "permissive",
            "apps": {"shop": {**SHOP, "namespace": "back"}},
            "namespaceLabels": {"back": {"pod-security.kubernetes.io/enforce": "restricted"}},
        },
    ),
    # --- policies ---
    *policy("sources", ".sources", *({"destination": "shop", "sources": s} for s in ([], [1], ["audit", None]))),
    *policy(
        "expression",
        ".pathRegex",
        *({"destination": "shop", "sources": ["audit"], "pathRegex": r} for r in ("(", "[a", "/(?!v1).*", r"(a)\1")),
    ),
    *inside(
        "null-policy", "policies", *((f"policies.{name}", {name: None}) for name in ("p", "q", "pythodapp-traffic"))
    ),
    *policy("complete-policy", ".destination", {"sources": ["audit"]}, {"sources": ["audit"], "destination": " "}),
    *policy("complete-policy", ".sources", {}, {"destination": "shop"}, {"destination": "shop", "sources": None}),
    *policy(
        "known-apps",
        "",
        {"destination": "shopp", "sources": ["audit"]},
        {"destination": "shop", "sources": ["audits"]},
        {"destination": "shop", "sources": ["audit", "zzz"]},
    ),
    *policy("listening", "", *({"destination": d, "sources": ["shop"]} for d in ("job", "pythonapp"))),
    *policy("listening", "", {"destination": "job", "sources": ["pythonapp", "shop"]}),
    *policy(
        "calls-itself",
        "",
        *({"destination": "shop", "sources": s} for s in (["shop"], ["shop", "audit"], ["audit", "shop"])),
    ),
    *(
        bad
        for version in BY_FORMAT
        for bad in policy(
            "across-namespaces",
            "",
            {"destination": "far", "sources": ["shop"]},
            {"destination": "shop", "sources": ["audit", "far"]},
            {"destination": "audit", "sources": ["far"]},
            daprVersion=version,
        )
    ),
    *policy(
        "path-by-http",
        ".pathRegex",
        *({**AUDITS, "pathRegex": path} for path in ("/", "/.*", "/dapr.*")),
        daprVersion=BY_ADDRESS,
    ),
    *(
        bad
        for version in BY_HTTP
        for bad in policy(
            "path-of-calls",
            ".pathRegex",
            *({**AUDITS, "pathRegex": path} for path in ("/v1/orders", "neworder", "/dapr", "CallLocal.*")),
            daprVersion=version,
        )
    ),
    *policy(
        "expression-size",
        ".pathRegex",
        *({**AUDITS, "pathRegex": f"/dapr{r}"} for r in (r"\pL+", ".{60}", "(.|a{99})*")),
    ),
    *inside(
        "own-route",
        "policies",
        *(
            (
                "policies.nodeapp-service",
                {"nodeapp-service": {"destination": "nodeapp", "sources": ["pythonapp"], **more}},
            )
            for more in ({}, {"pathRegex": "/.*"}, {"pathRegex": ""})
        ),
    ),
    # --- releases ---
    *each("dapr-version", "daprVersion", "1.12", "v1.12.0", "latest", "", "2.0.0", "1.18", "0"),
    *each("untried-dapr", "daprVersion", *(newer(NEWEST, by) for by in (1, 5, 80))),
    *(
        Bad(rule="dapr-mtls", keys=("daprMtls",), config={"daprMtls": "true", "daprVersion": version, **more})
        for version in BY_HTTP
        for more in ({}, {"stage": "permissive"})
    ),
    *(
        Bad(rule="api-server", keys=("excludeApiServer",), config={"excludeApiServer": "false", **more})
        for more in ({}, {"redisPasswordIn": "secret"}, {"exclusions": "minimal"})
    ),
    # --- charts and their values ---
    *each(
        "chart-location",
        "daprChart",
        *(
            "/srv/charts/dapr",
            "https://",
            "https:// charts.example",
            "https://user:hunter2@charts.example",
            "https://x:0/",
        ),
    ),
    *each("chart-location", "osmChart", "oci://mirror.example/charts/osm:1.2.4", "http://[::1"),
    *each("chart-location", "osmChart", "HTTPS://mirror.example/osm", "https:/mirror.example/osm", "file:///srv/osm"),
    *each("chart-there", "osmChart", "charts/none", "", "docs", "README.md", "x" * 300, "a\0b"),
    *each(
        "dapr-values", "daprValues", *(nested(p, "x") for p in ("global.tag", "global.mtls.enabled", "global.registry"))
    ),
    *each(
        "dapr-values",
        "daprValues",
        nested("global.rbac.namespaced", True),
        nested("dapr_operator.watchNamespace", "shop"),
        nested("dapr_sidecar_injector.nativeSidecar", True),
    ),
    *inside(
        "dapr-value-parts",
        "daprValues",
        *((f"daprValues.{name}", {name: {"x": 1}}) for name in ("dapr_operatr", "Global", "dapr_sidecarinjector")),
    ),
    *inside(
        "daprs-user",
        "daprValues",
        *(
            (
                "daprValues.dapr_sidecar_injector.sidecarRunAsUser",
                nested("dapr_sidecar_injector.sidecarRunAsUser", user),
            )
            for user in (1500, "1500", 1500.0)
        ),
    ),
    *inside(
        "osm-value-parts",
        "osmValues",
        *((f"osmValues.{name}", {name: {"x": 1}}) for name in ("oms", "osmm", "countour")),
    ),
    *inside(
        "osm-inbound-ports",
        "osmValues",
        *(
            ("osmValues.osm.inboundPortExclusionList", nested("osm.inboundPortExclusionList", ports))
            for ports in ([50002], [9090, 50002], [50002, 50001], ["9090"], [0], [True], *NO_OBJECTS, {})
        ),
    ),
    *each(
        "osm-values",
        "osmValues",
        nested("osm.outboundIPRangeInclusionList", ["10.0.0.0/8"]),
        nested("osm.networkInterfaceExclusionList", ["eth0"]),
        nested("osm.enableReconciler", True),
    ),
    *each(
        "osm-values", "osmValues", *(nested(p, "x") for p in ("osm.meshName", "osm.enableEgress", "osm.trustDomain"))
    ),
    *each(
        "osm-gone-apis",
        "osmValues",
        *(nested(f"osm.{part}.enablePodDisruptionBudget", True) for part in ("osmController", "injector")),
        *(
            nested(f"osm.{part}.autoScale.enable", on)
            for part in ("osmController", "injector")
            for on in (True, "false")
        ),
    ),
    # --- secrets ---
    *each("redis-password", "redisPassword", "", "two\nlines", "nul\0", "bell\x07"),
    *each("registry-credentials", "registryCredentials", "plain", "[]", "{}", '{"auths": []}', '{"auths": {}}'),
    *each(
        "registry-credentials",
        "registryCredentials",
        '{"auths": {"registry.example": {}}, "credsStore": "desktop"}',
        '{"auths": {"registry.example": {"auth": "no base64"}}}',
        '{"auths": {"registry.example": {"username": "me"}}}',
    ),
    *(
        Bad(
            rule="ca-certificate",
            keys=("chartCredentials.caCert",),
            config={"chartCredentials": {"caCert": given}, "daprChart": "https://charts.example"},
        )
        for given in ("x", "/etc/ca.pem", "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----")
    ),
    *(
        Bad(rule="user-and-password", keys=(f"chartCredentials.{missing}",), config={"chartCredentials": given})
        for missing, given in (
            ("password", {"username": "me"}),
            ("username", {"password": "hunter2"}),
            ("password", {"username": "me", "caCert": CERTIFICATE}),
        )
    ),
    *(
        Bad(rule="a text", keys=(f"chartCredentials.{key}",), config={"chartCredentials": {key: []}})
        for key in ("username", "password", "caCert")
    ),
    *each("credentials-used", "chartCredentials", USER, {"caCert": CERTIFICATE}),
    *each(
        "credentials-used", "daprChart", "http://charts.example", chartCredentials={"username": "u", "password": "p"}
    ),
    Bad(rule="secret-in-the-clear", keys=("redisPassword",), config={}, secret=()),
    Bad(
        rule="secret-in-the-clear",
        keys=("registryCredentials",),
        config={"registryCredentials": '{"auths": {"registry.example": {"auth": "bWU6aHVudGVyMg=="}}}'},
        secret=("redisPassword",),
    ),
    Bad(
        rule="secret-in-the-clear",
        keys=("chartCredentials",),
        config={"chartCredentials": USER, "daprChart": "https://charts.example"},
        secret=("redisPassword",),
    ),
    *(
        Bad(rule="secret-not-kept", keys=(key,), config={key: value}, secret=(*SECRET_KEYS, key))
        for key, value in (("stage", "smi"), ("daprRegistry", "r/dapr"), ("policies", {"pythodapp-traffic-target": {}}))
    ),
    *(
        Bad(rule="password-set", keys=("redisPassword",), config={"redisPassword": None, **more})
        for more in ({}, {"stage": "dapr"}, {"redisPasswordIn": "component"})
    ),
    # --- the cluster ---
    *(
        Bad(rule="one-context", keys=("kubeContext",), config={"kubeContext": ours}, provider={"context": other})
        for ours, other in (("lab", "prod"), ("lab", "Lab"), ("a", "b"))
    ),
    *(
        Bad(rule="no-kubeconfig", keys=(next(iter(provider)),), config={}, provider=provider)
        for provider in ({"kubeconfig": "~/.kube/config"}, {"kubeconfig": "apiVersion: v1"}, {"cluster": "prod"})
    ),
)
