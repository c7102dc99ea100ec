"""A config whose single values are fine, put together: what the rules between settings look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from model import apps as model_apps
from model import policies as model_policies
from model.apps import App
from model.names import Namespaces
from model.policies import Policy
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION, DaprRelease
from settings import releases
from settings.keys import AppKeys, Config, PolicyKeys
from settings.secret_values import ChartCredentials


@dataclass(frozen=True)
class Draft:
    """A config, and what it comes to.

    Attributes:
        config: Its single values; where one could not be used, the default instead.
        given: The top-level keys that say something.
        secret: Those of them that were given as secret, wholly or in part.
        provider: Config of the Kubernetes provider's own.
    """

    config: Config
    given: frozenset[str]
    secret: frozenset[str]
    provider: Mapping[str, str]

    @cached_property
    def dapr(self) -> DaprRelease:
        """The release."""
        return releases.release(self.config.dapr_version) or DAPR_RELEASES[DEFAULT_DAPR_VERSION]

    @property
    def chart_credentials(self) -> bool:
        """Whether there are any for charts."""
        return self.config.chart_credentials != ChartCredentials()

    @cached_property
    def namespaces(self) -> Namespaces:
        """Where everything lives."""
        config = self.config
        return Namespaces(dapr=config.dapr_namespace, osm=config.osm_namespace, apps=config.apps_namespace)

    @cached_property
    def used_namespaces(self) -> tuple[str, ...]:
        """All of them, and those of single apps."""
        where = self.namespaces
        return tuple(dict.fromkeys([where.dapr, where.osm, where.apps, *(app.namespace for app in self.apps.values())]))

    @cached_property
    def walkthrough(self) -> Mapping[str, App]:
        """The walkthrough's apps, before anything is said of them."""
        config = self.config
        return model_apps.walkthrough(
            config.apps_namespace, node_image=config.node_app_image, python_image=config.python_app_image
        )

    @cached_property
    def apps(self) -> Mapping[str, App]:
        """The walkthrough's apps, with what the stack changes of them, and the stack's own."""
        apps = dict(self.walkthrough)
        for name, given in self.config.apps.items():
            if given is not None:
                apps[name] = self._app(name, given)
            else:
                apps.pop(name, None)
        return apps

    def _app(self, name: str, given: AppKeys) -> App:
        own = App(
            name=name,
            namespace=given.namespace or self.config.apps_namespace,
            image=given.image or "",
            label=name,
            container=name,
            port=given.port,
            service_port=given.service_port,
        )
        base = self.walkthrough.get(name, own)
        hidden = "apps" in self.secret
        environment = given.env or {}
        return replace(
            base,
            # 0 is the word for a HorizontalPodAutoscaler.
            replicas=1 if given.replicas is None else given.replicas or None,
            environment={**base.environment, **({} if hidden else environment)},
            secret_environment=frozenset(environment if hidden else ()),
            resources=model_apps.RESOURCES if given.resources is None else given.resources,
            pod_overlay=given.pod or {},
            secret_pod_overlay=hidden and bool(given.pod),
        )

    @cached_property
    def policies(self) -> Mapping[str, Policy]:
        """The walkthrough's policy, with what the stack changes of it, and the stack's own where they are complete."""
        policies = dict(model_policies.walkthrough())
        for name, given in self.config.policies.items():
            policy = None if given is None else _policy(name, given, policies.get(name))
            if policy is not None:
                policies[name] = policy
            elif given is None:
                policies.pop(name, None)
        return policies


def _policy(name: str, given: PolicyKeys, walkthroughs: Policy | None) -> Policy | None:
    destination = given.destination or (walkthroughs.destination if walkthroughs else "")
    sources = tuple(dict.fromkeys(given.sources or ())) or (walkthroughs.sources if walkthroughs else ())
    if not destination or not sources:
        return None
    base = walkthroughs or Policy(name=name, destination="", sources=(), routes=f"{name}-routes")
    return replace(base, destination=destination, sources=sources, path_regex=given.path_regex or None)
