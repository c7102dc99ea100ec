"""What whoever deploys a stack must be allowed to do, as one table: each right with the reason for it.

It has three parts: what the Kubernetes provider does with each kind of object, what this program's own checks, steps
and verification do (``ROWS``), and what the stack's Roles and ClusterRoles grant: Kubernetes lets nobody grant what he
does not hold himself, unless he may ``escalate`` and ``bind``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from cluster.kinds import plural_of
from model.chart import CRD, ChartObject
from model.inventory import Named
from model.names import OSM_WEBHOOKS, Namespaces
from model.stage import Stage
from model.verify_level import VerifyLevel
from model.versions import OSM_RELEASE, DaprRelease

ROLES: Final = ("Role", "ClusterRole")
RBAC: Final = "rbac.authorization.k8s.io"
ANYTHING: Final = "*"
PORT_FORWARD: Final = "pods/portforward"

# What the Kubernetes provider does with an object by server-side apply. An apply that makes an object is a patch and a
# create. It waits until an object is gone by listing and watching its kind; without that right it waits for ever.
# Source: pulumi-kubernetes 4.25, provider/pkg/await.
OBJECT_VERBS: Final = ("get", "list", "watch", "create", "patch", "delete")
# A CustomResourceDefinition is replaced instead of patched.
DEFINITION_VERBS: Final = (*OBJECT_VERBS, "update")


@dataclass(frozen=True, kw_only=True)
class Role:
    """A Role or ClusterRole that the stack makes.

    Attributes:
        kind: ``Role`` or ``ClusterRole``.
        namespace: Its namespace, or None.
        name: Its name.
    """

    kind: str
    namespace: str | None
    name: str

    @property
    def resource(self) -> str:
        """The plural of its kind."""
        return plural_of(self.kind)


@dataclass(frozen=True, kw_only=True)
class Right:
    """Something that a deployer must be allowed to do.

    Attributes:
        group: The API group, "" for the core.
        resource: The plural, with its subresource: ``pods/log``; or a path of the API server's own, ``/metrics``.
        verbs: What is done.
        namespaces: Where; empty for the whole cluster, and for kinds without namespaces.
        names: Which objects; empty for any. A right to all of them will do as well.
        why: What it is needed for, as the end of a sentence.
        instead: How to do without, or "".
        granted_by: The role that grants it on, or None where the deployer uses it himself.
    """

    group: str
    resource: str
    verbs: tuple[str, ...]
    namespaces: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    why: str
    instead: str = ""
    granted_by: Role | None = None

    @property
    def label(self) -> str:
        """The resource as kubectl writes it: ``deployments.apps``, ``pods/log``."""
        plural, slash, sub = self.resource.partition("/")
        if not plural:
            return self.resource
        what = f"{plural}.{self.group}{slash}{sub}" if self.group not in ("", ANYTHING) else self.resource
        return f"{what} {', '.join(self.names)}" if self.names else what


@dataclass(frozen=True, kw_only=True)
class Made(Named):
    """An object that the stack makes.

    Attributes:
        rules: What it grants, where it is a Role or a ClusterRole.
    """

    rules: Sequence[Mapping[str, Any]] = field(default=(), compare=False)

    @classmethod
    def of_body(cls, body: Mapping[str, Any]) -> Made:
        """An object as Kubernetes writes it."""
        metadata = body["metadata"]
        return cls(
            api_version=str(body["apiVersion"]),
            kind=str(body["kind"]),
            namespace=metadata.get("namespace"),
            name=str(metadata["name"]),
            rules=body.get("rules") or (),
        )

    @classmethod
    def of(cls, item: Named | ChartObject) -> Made:
        """An object of the stack's own, or of a chart."""
        if isinstance(item, ChartObject):
            return cls.of_body(item.body)
        return cls(api_version=item.api_version, kind=item.kind, namespace=item.namespace, name=item.name)

    @property
    def group(self) -> str:
        """Its API group."""
        return self.api_version.rpartition("/")[0]

    @property
    def resource(self) -> str:
        """The plural of its kind."""
        return plural_of(self.kind)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What of a stack decides about the rights.

    Attributes:
        stage: How far along the walkthrough it is.
        where: Where everything lives.
        apps: The namespaces of the state store and the apps.
        own: The namespaces that the stack makes, and takes away with it.
        existing: The namespaces that a team brings.
        release: The Dapr release.
        volumes: Whether Dapr's scheduler wants volumes.
        verify: What a verification looks at.
        read_all_secrets: Whether the apps' Role covers every Secret of the state store's namespace.
        objects: Every object that it makes, by name.
    """

    stage: Stage
    where: Namespaces
    apps: tuple[str, ...]
    own: tuple[str, ...]
    existing: tuple[str, ...] = ()
    release: DaprRelease
    volumes: bool
    verify: VerifyLevel
    read_all_secrets: bool
    objects: Sequence[Made]


class Where(Enum):
    """The places of a stack."""

    CLUSTER = auto()
    """The whole cluster."""
    DAPR = auto()
    """Dapr's namespace."""
    OSM = auto()
    """OSM's, where there is a mesh."""
    APPS = auto()
    """Those of the apps."""
    ALL = auto()
    """All of these namespaces."""
    OWN = auto()
    """Those that the stack makes."""
    DEFAULT = auto()
    """The namespace ``default``, where the API server's Service is."""

    def namespaces(self, plan: Plan) -> tuple[str, ...]:
        """Their names in a stack; none for the whole cluster."""
        osm = (plan.where.osm,) if plan.stage.meshed else ()
        return {
            Where.CLUSTER: (),
            Where.DAPR: (plan.where.dapr,),
            Where.OSM: osm,
            Where.APPS: plan.apps,
            Where.ALL: tuple(dict.fromkeys((plan.where.dapr, *osm, *plan.apps))),
            Where.OWN: plan.own,
            Where.DEFAULT: ("default",),
        }[self]


def _always(plan: Plan) -> bool:
    del plan
    return True


def _meshed(plan: Plan) -> bool:
    return plan.stage.meshed


def _volumes(plan: Plan) -> bool:
    return plan.volumes


def _verifies(plan: Plan) -> bool:
    return plan.verify is not VerifyLevel.OFF


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table.

    Attributes:
        resources: As kubectl writes them: ``deployments.apps``, ``pods/log``.
        verbs: What is done with them.
        where: In which of the stack's places.
        why: What for, as the end of a sentence.
        names: Which objects; empty for any.
        when: Whether a stack needs it.
        instead: How to do without, or "".
    """

    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    where: Where
    why: str
    names: tuple[str, ...] = ()
    when: Callable[[Plan], bool] = _always
    instead: str = ""

    def rights(self, plan: Plan) -> Iterator[Right]:
        """What it asks of the deployer of a stack."""
        namespaces = self.where.namespaces(plan)
        if not self.when(plan) or (self.where is not Where.CLUSTER and not namespaces):
            return
        for resource in self.resources:
            group, plural = parsed(resource)
            yield Right(
                group=group,
                resource=plural,
                verbs=self.verbs,
                namespaces=namespaces,
                names=self.names,
                why=self.why,
                instead=self.instead,
            )


def parsed(resource: str) -> tuple[str, str]:
    """The API group, and the plural with its subresource, of a resource as kubectl writes it."""
    if resource == ANYTHING:
        return ANYTHING, ANYTHING
    kind, slash, sub = resource.partition("/")
    plural, _, group = kind.partition(".")
    return group, f"{plural}{slash}{sub}"


CRDS: Final = "customresourcedefinitions.apiextensions.k8s.io"
WEBHOOKS: Final = tuple(f"{plural}.admissionregistration.k8s.io" for plural in OSM_WEBHOOKS)
MESH_CONFIGS: Final = ("meshconfigs.config.openservicemesh.io", "meshrootcertificates.config.openservicemesh.io")
POLICIES: Final = (
    "httproutegroups.specs.smi-spec.io",
    "tcproutes.specs.smi-spec.io",
    "traffictargets.access.smi-spec.io",
)
WORKLOADS: Final = (
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "replicasets.apps",
    "jobs.batch",
    "cronjobs.batch",
    "pods",
)

AWAITED: Final = "`up` waits for pods by it"
RUNTIME: Final = "OSM makes these by itself, and a destroy takes them away after it"
PROBE: Final = "a pod that never runs shows whether injectors answer"
HARM: Final = "a destroy looks first whether others would be harmed"

# What this program does beside the provider; see steps/, verification/ and the rest of preflight/.
ROWS: Final = (
    # Before anything is touched.
    Row(
        resources=("namespaces",),
        verbs=("get",),
        where=Where.CLUSTER,
        names=("kube-system",),
        why="a stack knows its cluster by the UID of kube-system",
    ),
    Row(
        resources=(f"clusterroles.{RBAC}", CRDS, WEBHOOKS[0]),
        verbs=("list",),
        where=Where.CLUSTER,
        why="another stack on the same cluster is looked for",
    ),
    Row(resources=("secrets",), verbs=("list",), where=Where.OWN, why="Helm releases of the same names are looked for"),
    Row(
        resources=("storageclasses.storage.k8s.io",),
        verbs=("list",),
        where=Where.CLUSTER,
        why="Dapr's scheduler wants volumes",
        when=_volumes,
    ),
    Row(
        resources=("persistentvolumeclaims",),
        verbs=("get", "list", "delete"),
        where=Where.DAPR,
        why="Dapr's scheduler leaves its volumes' claims behind",
    ),
    Row(
        resources=("configmaps",),
        verbs=("get",),
        where=Where.DAPR,
        why="this Dapr release can't read every kind of root key",
        when=lambda plan: not plan.release.reads_ed25519,
    ),
    # What the provider waits by.
    Row(
        resources=("replicasets.apps", "pods", "persistentvolumeclaims"),
        verbs=("list", "watch"),
        where=Where.ALL,
        why=AWAITED,
    ),
    Row(resources=("events",), verbs=("list", "watch"), where=Where.ALL, why="`up` shows why pods don't start"),
    Row(
        resources=("pods",),
        verbs=("delete",),
        where=Where.ALL,
        why="`up` has pods made anew that would be tried again only minutes after a mend",
    ),
    # Dapr's injector and a release change.
    Row(
        resources=("deployments.apps",),
        verbs=("get", "patch"),
        where=Where.DAPR,
        why="Dapr's injector is taken away while its release changes",
    ),
    Row(
        resources=(WEBHOOKS[0],),
        verbs=("get", "delete"),
        where=Where.CLUSTER,
        why="a webhook has to be gone before whoever answers it",
    ),
    Row(resources=("replicasets.apps",), verbs=("get", "list", "create", "delete"), where=Where.APPS, why=PROBE),
    Row(resources=("pods",), verbs=("list", "delete"), where=Where.APPS, why=PROBE),
    Row(
        resources=("secrets",),
        verbs=("delete",),
        where=Where.APPS,
        why="OSM makes a Secret for the pod by which injectors are tried",
        when=_meshed,
    ),
    # The mesh.
    Row(
        resources=("services",),
        verbs=("get",),
        where=Where.DAPR,
        why="what bypasses the mesh is worked out from Dapr's Services",
    ),
    Row(
        resources=("services",),
        verbs=("get",),
        where=Where.DEFAULT,
        names=("kubernetes",),
        why="what bypasses the mesh is worked out from the API server's Service",
        when=_meshed,
    ),
    Row(resources=(CRDS,), verbs=("get", "patch", "delete"), where=Where.CLUSTER, why=RUNTIME, when=_meshed),
    Row(resources=WEBHOOKS, verbs=("get", "patch", "delete"), where=Where.CLUSTER, why=RUNTIME, when=_meshed),
    Row(resources=("secrets",), verbs=("get", "patch", "delete"), where=Where.OSM, why=RUNTIME),
    Row(resources=MESH_CONFIGS, verbs=("get", "list", "patch", "delete"), where=Where.OSM, why=RUNTIME),
    Row(
        resources=("deployments.apps", "statefulsets.apps"),
        verbs=("list", "delete"),
        where=Where.ALL,
        why="a destroy stops what an interrupted run has left",
    ),
    Row(
        resources=POLICIES,
        verbs=("get", "list", "delete"),
        where=Where.APPS,
        why="permissions that are no longer declared are withdrawn",
        when=lambda plan: plan.stage.enforces,
    ),
    Row(
        resources=("deployments.apps",),
        verbs=("get", "patch"),
        where=Where.APPS,
        why="a caller that lost a permission gets new pods",
        when=lambda plan: plan.stage.enforces,
    ),
    # The end.
    Row(resources=WORKLOADS, verbs=("list",), where=Where.CLUSTER, why=HARM),
    Row(resources=("namespaces",), verbs=("list",), where=Where.CLUSTER, why=HARM),
    Row(
        resources=(ANYTHING,),
        verbs=("list",),
        where=Where.OWN,
        why="a destroy looks first whether others have anything in the namespaces that go with the stack",
    ),
    # The verification.
    Row(
        resources=("deployments.apps",),
        verbs=("get",),
        where=Where.APPS,
        why="the verification looks at the apps' pods",
        when=_verifies,
    ),
    Row(
        resources=("pods", "events"),
        verbs=("list",),
        where=Where.APPS,
        why="the verification looks at the apps' pods",
        when=_verifies,
    ),
    Row(
        resources=("pods/log",),
        verbs=("get",),
        where=Where.APPS,
        why="the verification sees orders come in nodeapp's log",
        when=_verifies,
        instead="pulumi config set dapr-osm:verify off",
    ),
    Row(
        resources=POLICIES,
        verbs=("list",),
        where=Where.APPS,
        why="the verification looks at the SMI objects",
        when=lambda plan: plan.stage.enforces and _verifies(plan),
    ),
    # By WebSocket it is a GET, and newer API servers ask for "create" as well.
    Row(
        resources=(PORT_FORWARD,),
        verbs=("get", "create"),
        where=Where.APPS,
        why="the verification tries each call and asks each Envoy what it counted",
        when=lambda plan: plan.verify is VerifyLevel.CALLS,
        instead="pulumi config set dapr-osm:verify pods",
    ),
)


def needed(plan: Plan) -> list[Right]:
    """Every right that the deployer of a stack needs, in the order of the table."""
    return [
        *_objects(plan),
        *_existing(plan),
        *(right for row in ROWS for right in row.rights(plan)),
        *_definitions(plan),
        *_granted(plan),
    ]


def _objects(plan: Plan) -> Iterator[Right]:
    """What the provider does with each kind; some objects' names are Pulumi's, so they are in no inventory."""
    unnamed = [
        Made(api_version="v1", kind=kind, namespace=namespace, name="")
        for namespace in plan.apps
        for kind in ("Secret", "Service")
    ]
    kinds: dict[tuple[str, str], dict[str | None, None]] = {}
    for item in (*plan.objects, *unnamed):
        kinds.setdefault((item.group, item.kind), {})[item.namespace] = None
    for (group, kind), namespaces in kinds.items():
        yield Right(
            group=group,
            resource=plural_of(kind),
            verbs=DEFINITION_VERBS if kind == CRD else OBJECT_VERBS,
            namespaces=tuple(namespace for namespace in namespaces if namespace is not None),
            why="the stack makes, changes and deletes such objects",
        )


def _existing(plan: Plan) -> Iterator[Right]:
    if plan.existing:
        yield Right(
            group="",
            resource="namespaces",
            verbs=("get", "patch"),
            names=plan.existing,
            why="existing namespaces are joined to the stack by labels and annotations",
        )


def _definitions(plan: Plan) -> Iterator[Right]:
    """Deleting a definition deletes all of its objects, so they are looked at before."""
    names = [item.name for item in plan.objects if item.kind == CRD]
    for name in dict.fromkeys([*names, *(OSM_RELEASE.crds if plan.stage.meshed else ())]):
        group, plural = parsed(name)
        yield Right(
            group=group,
            resource=plural,
            verbs=("list",),
            why="deleting a CustomResourceDefinition deletes its objects, so others' are looked for",
        )


def _granted(plan: Plan) -> Iterator[Right]:
    """What the stack's roles grant: to make one, its rights must be the deployer's own."""
    for item in plan.objects:
        if item.kind in ROLES:
            rules = item.rules or (_secret_reader(plan) if item.namespace in plan.apps else ())
            yield from granted_by(Role(kind=item.kind, namespace=item.namespace, name=item.name), rules)


def _secret_reader(plan: Plan) -> Sequence[Mapping[str, Any]]:
    """The rule of the apps' own Role. The one Secret's name is Pulumi's and not known yet, so it stands for any."""
    verbs = ["get", "list"] if plan.read_all_secrets else ["get"]
    return [{"apiGroups": [""], "resources": ["secrets"], "verbs": verbs}]


def granted_by(role: Role, rules: Iterable[Mapping[str, Any]]) -> Iterator[Right]:
    """The rights that a role grants, as rights that whoever makes it must hold."""
    for rule in rules:
        targets = [
            *((group, resource) for group in rule.get("apiGroups") or () for resource in rule.get("resources") or ()),
            *(("", url) for url in rule.get("nonResourceURLs") or ()),
        ]
        for group, resource in targets:
            yield Right(
                group=group,
                resource=resource,
                verbs=tuple(rule["verbs"]),
                namespaces=() if role.namespace is None else (role.namespace,),
                names=tuple(rule.get("resourceNames") or ()),
                why=f"{role.kind} {role.name} grants it, and nobody may grant what he lacks",
                granted_by=role,
            )
