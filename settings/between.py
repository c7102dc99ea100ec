"""Rules between settings: each value is fine by itself, and together they can't work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from model import policies as model_policies
from model.apps import NODE_APP, PYTHON_APP, App
from model.helm_values import at
from model.policies import CALL_PATHS, Policy
from model.verify_level import VerifyLevel
from model.versions import DAPR_CHART_REPOSITORY, DAPR_RELEASES, OSM_CHART_REPOSITORY, OSM_RELEASE
from settings import charts, daprd, kubelet, names, pods, releases
from settings.declaration import NOT_SET, Refusal, Secrecy, did_you_mean, fields, key_names, secrecy_of
from settings.draft import Draft
from settings.expressions import matches
from settings.keys import AppKeys, Config, PolicyKeys
from settings.problem import Path, Words
from settings.project import PROJECT, PROVIDER


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that doesn't go together.

    Attributes:
        path: The key to blame.
        refusal: Why.
        value: Its value.
        needs: Other keys that it depends on: where one of them is wrong itself, nothing is said.
        always: Whether it is said all the same.
        namespace: The key's namespace.
    """

    path: Path
    refusal: Refusal
    value: Any = None
    needs: tuple[Path, ...] = ()
    always: bool = False
    namespace: str = PROJECT


@dataclass(frozen=True)
class Between:
    """A rule between settings.

    Attributes:
        name: What it is called in tests.
        find: Finds what doesn't go together.
    """

    name: str
    find: Callable[[Draft], Iterator[Finding]]

    def findings(self, draft: Draft) -> tuple[Finding, ...]:
        """Everything that it has against a config."""
        return tuple(self.find(draft))


def _found(path: Path, rule: str, mend: str, value: Any = None, needs: tuple[Path, ...] = ()) -> Finding:
    return Finding(path=path, refusal=Refusal(rule=rule, mend=mend), value=value, needs=needs)


def _inside(path: Path, refusals: Iterator[Refusal], needs: tuple[Path, ...] = ()) -> Iterator[Finding]:
    for refusal in refusals:
        yield Finding(path=(*path, *refusal.inside), refusal=refusal, needs=needs)


# --- secrets ----------------------------------------------------------------------------------------------------


def in_the_clear(draft: Draft) -> Iterator[Finding]:
    """What must be secret and is not."""
    for name, info in fields(Config):
        if secrecy_of(info) is Secrecy.REQUIRED and name in draft.given and name not in draft.secret:
            how = f"{PROJECT}:{name}"
            if name == "chartCredentials":
                how = f"--path {how}.password"
            refusal = Refusal(
                rule="stands in the stack file in the clear",
                mend=f"Run `pulumi config set --secret {how}` again; without --secret it is readable.",
            )
            yield Finding(path=(name,), refusal=refusal, always=True)


def not_kept(draft: Draft) -> Iterator[Finding]:
    """What can't be kept secret, and was given so."""
    for name, info in fields(Config):
        if name in draft.secret and secrecy_of(info) is Secrecy.REFUSED:
            yield _found(
                (name,),
                "is given as secret, which it can't be: it becomes part of objects that many may read",
                f"Run `pulumi config set {PROJECT}:{name}` without --secret.",
            )


def password_set(draft: Draft) -> Iterator[Finding]:
    """Redis's password has no default."""
    if draft.config.redis_password is None:
        yield _found(
            ("redisPassword",), NOT_SET, f"Run `pulumi config set --secret {PROJECT}:redisPassword` and type it."
        )


# --- the cluster ------------------------------------------------------------------------------------------------


def one_context(draft: Draft) -> Iterator[Finding]:
    """Two contexts for one cluster."""
    ours, providers = draft.config.kube_context, draft.provider.get("context", "")
    if ours and providers and ours != providers:
        yield _found(
            ("kubeContext",),
            Words(f"is not what {PROVIDER}:context says: {{other}}", other=providers),
            f"Remove one of them: {PROVIDER}:context is honoured like {PROJECT}:kubeContext.",
            ours,
        )


def no_kubeconfig(draft: Draft) -> Iterator[Finding]:
    """A kubeconfig that only half of the program would see."""
    for name in ("kubeconfig", "cluster"):
        if draft.provider.get(name):
            mend = (
                "Remove it and set KUBECONFIG to a file, in the environment or by environmentVariables of ESC."
                if name == "kubeconfig"
                else f"Remove it and set {PROJECT}:kubeContext."
            )
            yield Finding(
                path=(name,),
                namespace=PROVIDER,
                refusal=Refusal(rule="would be seen by a part of this program only", mend=mend),
            )


# --- Dapr's release ---------------------------------------------------------------------------------------------


def untried(draft: Draft) -> Iterator[Finding]:
    """A release that nobody here has tried."""
    version = draft.config.dapr_version
    if version not in DAPR_RELEASES and not draft.config.allow_untried_dapr:
        mend = did_you_mean(version, releases.alike(version), "Set one of them.")
        yield _found(
            ("daprVersion",),
            f"{releases.rule()}: it is a newer patch release, not tried here",
            f"{mend} To take it all the same, set {PROJECT}:allowUntriedDapr to true.",
            version,
            (("allowUntriedDapr",),),
        )


def dapr_mtls(draft: Draft) -> Iterator[Finding]:
    """Calls that Envoy has to read, and can't."""
    if draft.config.dapr_mtls and not draft.dapr.route.carries_dapr_mtls:
        yield _found(
            ("daprMtls",),
            f"may not be true with Dapr {draft.dapr.version}: Envoy has to read the sidecars' calls to route them",
            "Leave it false; OSM encrypts them. Only releases that call by address (1.13 to 1.17) can have both.",
            True,
            (("daprVersion",),),
        )


def api_server(draft: Draft) -> Iterator[Finding]:
    """Step 4 may be skipped only where no Secret has to be read."""
    if not draft.config.exclude_api_server and draft.config.redis_password_in != "component":  # noqa: S105 - a choice
        yield _found(
            ("excludeApiServer",),
            "may be false only where Redis's password stands in the Component",
            f"Set {PROJECT}:redisPasswordIn to component as well, or leave this true.",
            False,
            (("redisPasswordIn",),),
        )


# --- namespaces -------------------------------------------------------------------------------------------------

_NAMESPACE_KEYS: Final = ("daprNamespace", "osmNamespace", "appsNamespace")


def distinct_namespaces(draft: Draft) -> Iterator[Finding]:
    """One namespace for two things."""
    where = draft.namespaces
    given = dict(zip(_NAMESPACE_KEYS, (where.dapr, where.osm, where.apps), strict=True))
    for name, namespace in given.items():
        if list(given.values()).count(namespace) > 1:
            others = tuple((other,) for other, one in given.items() if one == namespace)
            mend = "Give each of the three a name of its own."
            yield _found((name,), "is used for something else too", mend, namespace, others)


def app_namespaces(draft: Draft) -> Iterator[Finding]:
    """An app among the cluster's own programs or a control plane's."""
    where = draft.namespaces
    for name, given in draft.config.apps.items():
        namespace = given.namespace if given and name not in draft.walkthrough else None
        if namespace and (namespace in (where.dapr, where.osm) or names.is_clusters_own(namespace)):
            yield _found(
                ("apps", name, "namespace"),
                "is not a namespace for apps",
                "Choose another; the stack makes it, and joins it to the mesh.",
                namespace,
                (("daprNamespace",), ("osmNamespace",)),
            )


def existing_namespaces(draft: Draft) -> Iterator[Finding]:
    """A namespace that is there already, and that this stack doesn't use."""
    for namespace in dict.fromkeys(draft.config.existing_namespaces):
        yield from _used(draft, ("existingNamespaces",), namespace)


def _used(draft: Draft, path: Path, namespace: str) -> Iterator[Finding]:
    if namespace not in draft.used_namespaces:
        there = ", ".join(draft.used_namespaces)
        yield Finding(
            path=path,
            refusal=Refusal(
                rule=Words("names {namespace}, which is not a namespace of this stack", namespace=namespace),
                mend=Words("{mend}", mend=did_you_mean(namespace, draft.used_namespaces, f"There are {there}.", "{}")),
            ),
            needs=(*((name,) for name in _NAMESPACE_KEYS), ("apps",)),
        )


def marked_namespaces(draft: Draft) -> Iterator[Finding]:
    """Labels and annotations of namespaces that this stack doesn't use, or that aren't a stack's to set."""
    config = draft.config
    for key, kind, given in (
        ("namespaceLabels", "label", config.namespace_labels),
        ("namespaceAnnotations", "annotation", config.namespace_annotations),
    ):
        for namespace, marks in given.items():
            yield from _used(draft, (key,), namespace)
            yield from _inside((key, namespace), names.marks(kind, marks))


POD_SECURITY: Final = "pod-security.kubernetes.io"
ENFORCE: Final = f"{POD_SECURITY}/enforce"
LEVELS: Final = ("privileged", "baseline", "restricted")
_LEVEL_LABELS: Final = tuple(f"{POD_SECURITY}/{mode}" for mode in ("enforce", "warn", "audit"))
_VERSION_LABELS: Final = tuple(f"{label}-version" for label in _LEVEL_LABELS)
RELAX: Final = 'Set "privileged" there, and "restricted" for pod-security.kubernetes.io/warn or audit.'


def pod_security_values(draft: Draft) -> Iterator[Finding]:
    """Levels and versions of Pod Security that there are not: the API server refuses such a namespace."""
    for namespace, labels in draft.config.namespace_labels.items():
        for label, value in labels.items():
            path = ("namespaceLabels", namespace, label)
            if not isinstance(value, str):
                continue  # told already
            if label in _LEVEL_LABELS and value not in LEVELS:
                mend = did_you_mean(value, LEVELS, "Set one of them.")
                yield _found(path, f"is not one of {', '.join(LEVELS)}", mend, value)
            elif label in _VERSION_LABELS and not re.fullmatch(r"latest|v1\.[0-9]{1,3}", value):
                yield _found(path, "is not a version of Kubernetes", 'Write it like "v1.33", or "latest".', value)


def pod_security(draft: Draft) -> Iterator[Finding]:
    """A level of Pod Security at which pods could not start."""
    homes = {app.namespace for app in draft.apps.values()}
    where, seccomp = draft.namespaces, at(draft.config.dapr_values, ("global", "seccompProfile"))
    for namespace, labels in draft.config.namespace_labels.items():
        level, rule, mend = labels.get(ENFORCE), "", RELAX
        if draft.config.stage.meshed and namespace in homes and level in ("baseline", "restricted"):
            rule = "would refuse every pod of the mesh: OSM's osm-init needs NET_ADMIN and root"
        elif draft.config.stage.meshed and namespace == where.osm and level == "restricted":
            rule = "would refuse OSM's own pods, whose containers give up no rights"
            mend = 'Set "baseline" there.'
        elif namespace == where.dapr and level == "restricted" and not seccomp:
            rule = "would refuse Dapr's own pods, which have no seccomp profile"
            mend = f'Set "baseline" there, or global.seccompProfile: RuntimeDefault in {PROJECT}:daprValues.'
        if rule:
            needs = (("stage",), ("apps",), ("daprValues",), *((name,) for name in _NAMESPACE_KEYS))
            yield _found(("namespaceLabels", namespace, ENFORCE), rule, mend, level, needs)


# --- apps -------------------------------------------------------------------------------------------------------


def app_ids(draft: Draft) -> Iterator[Finding]:
    """Ids that can't name an app's objects."""
    for name, given in draft.config.apps.items():
        if given is not None:
            yield from _inside(("apps", name), names.app_id(name))


def null_apps(draft: Draft) -> Iterator[Finding]:
    """Null removes one of the walkthrough's apps, and nothing else."""
    for name, given in draft.config.apps.items():
        if given is None and name not in draft.walkthrough:
            yield _null(("apps", name), "an app", key_names(AppKeys))


def _null(path: Path, what: str, keys: Iterable[str]) -> Finding:
    mend = f"Remove the key, or say what it is: it has the keys {', '.join(keys)}."
    return _found(path, f"is null, which only removes {what} of the walkthrough", mend)


def daprs_services(draft: Draft) -> Iterator[Finding]:
    """An app called like Dapr's Service of another."""
    for name in draft.apps:
        other = name.removesuffix(names.DAPR_SERVICE_SUFFIX)
        if other != name and other in draft.apps:
            yield _found(
                ("apps", name),
                f"is a name that is taken: Dapr's Service of {other}",
                "Choose another.",
                needs=(("apps", other),),
            )


def any_app(draft: Draft) -> Iterator[Finding]:
    """A stack without apps."""
    if not draft.apps:
        yield _found(("apps",), "leaves no app at all", "Keep one, or add one.")


def images_set(draft: Draft) -> Iterator[Finding]:
    """An app of a stack's own without an image."""
    for name, app in _own(draft):
        if not app.image:
            yield _found(("apps", name, "image"), NOT_SET, "Every app of a stack's own needs an image.")


def service_ports(draft: Draft) -> Iterator[Finding]:
    """A Service of an app that listens nowhere."""
    for name, app in _own(draft):
        if app.service_port is not None and app.port is None:
            yield _found(
                ("apps", name, "servicePort"),
                "is set for an app that listens nowhere",
                "Set port as well.",
                app.service_port,
                (("apps", name, "port"),),
            )


def privileged_ports(draft: Draft) -> Iterator[Finding]:
    """A port that an ordinary user may not listen on."""
    for name, app in _own(draft):
        if app.port is not None and not pods.may_listen(app.port, app.pod_overlay, app.container):
            yield _found(
                ("apps", name, "port"),
                "is below 1024, where only root may listen, and the app runs as an ordinary user",
                Words("Let it listen above, on {above} say; servicePort may stay.", above=app.port + 8000),
                app.port,
                (("apps", name, "pod"),),
            )


def _own(draft: Draft) -> Iterator[tuple[str, App]]:
    for name, app in draft.apps.items():
        if name not in draft.walkthrough:
            yield name, app


def walkthroughs_apps(draft: Draft) -> Iterator[Finding]:
    """What is not a stack's to say of the quickstart's apps."""
    for name, given in draft.config.apps.items():
        if given is None or name not in draft.walkthrough:
            continue
        image = {NODE_APP: "nodeAppImage", PYTHON_APP: "pythonAppImage"}[name]
        said = {
            # The state store is there, and the quickstart's apps look for each other in their own namespace.
            "namespace": (given.namespace, f"Set {PROJECT}:appsNamespace."),
            "image": (given.image, f"Set {PROJECT}:{image}."),
            "port": (given.port, "Remove it; the quickstart's app is fixed."),
            "servicePort": (given.service_port, "Remove it; the quickstart's app is fixed."),
        }
        for key, (value, mend) in said.items():
            if value is not None:
                yield _found(("apps", name, key), "is not set here for an app of the walkthrough", mend)
        for variable in (given.env or {}).keys() & draft.walkthrough[name].environment.keys():
            rule = f"sets {variable}, which the quickstart's app is fixed to"
            yield _found(("apps", name, "env"), rule, f"Remove {variable}.")


def pod_containers(draft: Draft) -> Iterator[Finding]:
    """Containers of an overlay that don't go with the app's."""
    for name, app in draft.apps.items():
        needs = tuple(("apps", name, key) for key in ("port", "env"))
        for refusal in pods.containers(app, app.pod_overlay):
            yield Finding(path=("apps", name, "pod", *refusal.inside), refusal=refusal, needs=needs)


def api_tokens(draft: Draft) -> Iterator[Finding]:
    """An app whose daprd wants a token of whoever calls, the verification among them."""
    for name, app in draft.apps.items():
        annotations = (app.pod_overlay.get("metadata") or {}).get("annotations") or {}
        if draft.config.verify is VerifyLevel.CALLS and annotations.get(daprd.API_TOKEN):
            yield _found(
                ("apps", name, "pod", "metadata", "annotations", daprd.API_TOKEN),
                "makes daprd refuse the verification's calls, which bring no token",
                f"Set {PROJECT}:verify to pods as well, or leave it out.",
                needs=(("verify",),),
            )


def probe_ports(draft: Draft) -> Iterator[Finding]:
    """Probes and hooks of an overlay that name a port which there is not."""
    for name, app in draft.apps.items():
        yield from _inside(("apps", name, "pod"), kubelet.ports(app))


def probes_in_the_mesh(draft: Draft) -> Iterator[Finding]:
    """Probes and hooks of an overlay that nobody could answer in the mesh: the app would be restarted for ever."""
    if draft.config.stage.meshed:
        for name, app in draft.apps.items():
            yield from _inside(
                ("apps", name, "pod"), kubelet.unanswered(app, draft.dapr), (("stage",), ("daprVersion",))
            )


# --- policies ---------------------------------------------------------------------------------------------------


def policy_names(draft: Draft) -> Iterator[Finding]:
    """Names that can't be an SMI object's."""
    for name in draft.config.policies:
        yield from _inside(("policies", name), names.policy_name(name))


def null_policies(draft: Draft) -> Iterator[Finding]:
    """Null removes the walkthrough's policy, and nothing else."""
    for name, given in draft.config.policies.items():
        if given is None and name not in model_policies.walkthrough():
            yield _null(("policies", name), "a policy", key_names(PolicyKeys))


def complete_policies(draft: Draft) -> Iterator[Finding]:
    """A policy of a stack's own says who may call whom."""
    for name, given in draft.config.policies.items():
        if given is None or name in model_policies.walkthrough():
            continue
        if not given.sources:
            mend = "Name the apps that may call."
            yield _found(("policies", name, "sources"), "is not a list of app ids", mend)
        elif not given.destination:
            yield _found(("policies", name, "destination"), NOT_SET, "Name the app that may be called.")


def known_apps(draft: Draft) -> Iterator[Finding]:
    """A policy about an app that there is not."""
    for policy in draft.policies.values():
        if missing := _missing(draft, policy):
            near = did_you_mean(
                missing[0],
                draft.apps,
                f"There are {', '.join(draft.apps)}. A policy of the walkthrough is removed by null.",
                "{}",
            )
            yield _about(policy, Words("names {missing}, which is not an app", missing=missing[0]), near, missing)


def _missing(draft: Draft, policy: Policy) -> list[str]:
    return [name for name in (policy.destination, *policy.sources) if name not in draft.apps]


def _about(policy: Policy, rule: str, mend: str, apps: list[str]) -> Finding:
    return _found(
        ("policies", policy.name), rule, mend, needs=tuple(("apps", app, key) for app in apps for key in ("port",))
    )


def _possible(draft: Draft) -> Iterator[Policy]:
    return (policy for policy in draft.policies.values() if not _missing(draft, policy))


def listening(draft: Draft) -> Iterator[Finding]:
    """A policy that lets an app be called which listens nowhere."""
    for policy in _possible(draft):
        if draft.apps[policy.destination].port is None:
            rule = Words("lets {app} be called, which listens nowhere", app=policy.destination)
            yield _about(policy, rule, "Give it a port.", [policy.destination])


def calls_itself(draft: Draft) -> Iterator[Finding]:
    """A policy for calls that never leave their pod."""
    for policy in _possible(draft):
        if policy.destination in policy.sources:
            rule = Words("lets {app} call itself", app=policy.destination)
            yield _about(policy, rule, "Such a call stays in its pod. Remove it.", [])


def across_namespaces(draft: Draft) -> Iterator[Finding]:
    """A policy for calls that the release can't make."""
    for policy in _possible(draft):
        home = draft.apps[policy.destination].namespace
        crosses = any(draft.apps[source].namespace != home for source in policy.sources)
        if crosses and not draft.dapr.route.across_namespaces:
            yield _found(
                ("policies", policy.name),
                f"crosses namespaces, which Dapr {draft.dapr.version} can't do in the mesh: its sidecars look for "
                "each other in their own",
                "Put the apps into one namespace.",
                needs=(
                    ("daprVersion",),
                    ("appsNamespace",),
                    *(("apps", app, "namespace") for app in (policy.destination, *policy.sources)),
                ),
            )


def paths_by_http(draft: Draft) -> Iterator[Finding]:
    """A path where Envoy sees connections only."""
    for policy in _possible(draft):
        if policy.path_regex and not draft.dapr.route.by_http:
            yield _found(
                ("policies", policy.name, "pathRegex"),
                f"has no meaning with Dapr {draft.dapr.version}, whose calls the mesh carries as TCP",
                "Remove it, or choose a release whose calls are HTTP to the mesh.",
                policy.path_regex,
                (("daprVersion",),),
            )


def paths_of_calls(draft: Draft) -> Iterator[Finding]:
    """A path that no call of Dapr's has: nobody could call the app."""
    for policy in _possible(draft):
        # Callers beside Dapr have paths of their own; the verification's have Dapr's.
        beside = draft.apps[policy.destination].service_port and draft.config.verify is not VerifyLevel.CALLS
        regex = policy.path_regex
        if regex and draft.dapr.route.by_http and not beside and not any(matches(regex, one) for one in CALL_PATHS):
            yield _found(
                ("policies", policy.name, "pathRegex"),
                "matches no call of Dapr's, so nobody could call the app",
                f"It is held against {CALL_PATHS[0]}, never against the app's own method. Leave it out for any call.",
                regex,
                (("daprVersion",), ("verify",)),
            )


def own_routes(draft: Draft) -> Iterator[Finding]:
    """Two policies with one route."""
    routes = [policy.routes for policy in draft.policies.values()]
    for policy in draft.policies.values():
        if routes.count(policy.routes) > 1 and policy.name not in model_policies.walkthrough():
            yield _found(("policies", policy.name), f"would share the route {policy.routes}", "Choose another name.")


# --- charts -----------------------------------------------------------------------------------------------------


def _charts(draft: Draft) -> Iterator[tuple[str, str, str, str]]:
    config = draft.config
    yield "daprChart", "dapr", config.dapr_chart, draft.dapr.version
    yield "osmChart", "osm", config.osm_chart, OSM_RELEASE.version


def charts_there(draft: Draft) -> Iterator[Finding]:
    """A chart in the project that is not there, or not the right one."""
    for key, chart, given, version in _charts(draft):
        source = given.replace(charts.VERSION, version)
        if charts.is_url(source):
            continue
        for refusal in charts.found(source, version, chart):
            # Where the version is wrong itself, only a path that doesn't depend on it is looked at.
            depends = chart == "dapr" and (source != given or "holds" in refusal.rule)
            yield Finding(path=(key,), refusal=refusal, value=source, needs=(("daprVersion",),) if depends else ())


PUBLIC: Final[Mapping[str, str]] = {"daprChart": DAPR_CHART_REPOSITORY, "osmChart": OSM_CHART_REPOSITORY}


def has_credentials(key: str, source: str) -> bool:
    """Whether a chart is fetched from somewhere that credentials may be for: never a project's public repository."""
    return charts.is_url(source) and source.rstrip("/") not in PUBLIC.values()


def credentials_used(draft: Draft) -> Iterator[Finding]:
    """Credentials that no chart is fetched with, or that anybody on the way could read."""
    if not draft.chart_credentials:
        return
    needs = (("daprChart",), ("osmChart",))
    fetched = {key: source for key, _, source, _ in _charts(draft) if has_credentials(key, source)}
    if not fetched:
        yield _found(
            ("chartCredentials",),
            "is for no chart: none comes from a repository or registry of your own",
            f"Set {PROJECT}:daprChart or osmChart to yours, or remove it.",
            needs=needs,
        )
    for key, source in fetched.items():
        if source.startswith("http://") and draft.config.chart_credentials.password:
            yield _found(
                (key,), "would send the password of chartCredentials in the clear", "Write it as https://.", source
            )


RULES: Final[tuple[Between, ...]] = (
    Between("secret-in-the-clear", in_the_clear),
    Between("secret-not-kept", not_kept),
    Between("password-set", password_set),
    Between("one-context", one_context),
    Between("no-kubeconfig", no_kubeconfig),
    Between("untried-dapr", untried),
    Between("dapr-mtls", dapr_mtls),
    Between("api-server", api_server),
    Between("distinct-namespaces", distinct_namespaces),
    Between("app-namespaces", app_namespaces),
    Between("existing-namespaces", existing_namespaces),
    Between("marked-namespaces", marked_namespaces),
    Between("pod-security-value", pod_security_values),
    Between("pod-security-level", pod_security),
    Between("app-id", app_ids),
    Between("null-app", null_apps),
    Between("daprs-services", daprs_services),
    Between("any-app", any_app),
    Between("app-image", images_set),
    Between("service-port", service_ports),
    Between("privileged-port", privileged_ports),
    Between("walkthroughs-apps", walkthroughs_apps),
    Between("pod-containers", pod_containers),
    Between("api-token", api_tokens),
    Between("probe-ports", probe_ports),
    Between("probes-in-the-mesh", probes_in_the_mesh),
    Between("policy-name", policy_names),
    Between("null-policy", null_policies),
    Between("complete-policy", complete_policies),
    Between("known-apps", known_apps),
    Between("listening", listening),
    Between("calls-itself", calls_itself),
    Between("across-namespaces", across_namespaces),
    Between("path-by-http", paths_by_http),
    Between("path-of-calls", paths_of_calls),
    Between("own-route", own_routes),
    Between("chart-there", charts_there),
    Between("credentials-used", credentials_used),
)
