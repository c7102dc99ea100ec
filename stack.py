"""The running stack: its settings and secrets, and the context that it must be run in."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pulumi
from pulumi.runtime import config as runtime_config

from config_reader import PROJECT, SettingsError
from model import helm_values
from operations import preconditions
from operations.cluster import Cluster
from operations.errors import OperationError
from operations.kubeconfig import check_context, check_reachable
from settings import Settings, load


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The settings that never leave Pulumi's encryption.

    Attributes:
        redis_password: Redis's password.
        registry_credentials: Credentials for a private registry, or None.
    """

    redis_password: pulumi.Output[str]
    registry_credentials: pulumi.Output[str] | None


def stack_settings() -> tuple[Settings, Secrets]:
    """Read the stack's config and check it, and the cluster that it is for, before anything is registered.

    Raises:
        pulumi.RunError: The config or the kubeconfig can't be used, or the cluster lacks what the stack needs.
            Pulumi prints it without a traceback.
    """
    try:
        settings = load(_all_config(), runtime_config.is_config_secret)
        check_context(settings.kube_context, os.environ)
        check_reachable(os.environ)
        preconditions.check(
            Cluster.connect(),
            release=settings.dapr,
            namespaces=settings.namespaces,
            apps=settings.apps,
            scheduler_storage=helm_values.scheduler_storage(settings.dapr_values),
        )
    except (SettingsError, OperationError) as error:
        raise pulumi.RunError(str(error)) from error
    if settings.password_in_component:
        pulumi.log.warn(
            f"{PROJECT}:redisPasswordIn is component: whoever may read Components reads Redis's password there."
        )
    config = pulumi.Config(PROJECT)
    return settings, Secrets(
        redis_password=config.require_secret("redisPassword"),
        registry_credentials=config.require_secret("registryCredentials") if settings.registry_credentials else None,
    )


def _all_config() -> dict[str, str]:
    # pulumi.Config reads single keys only; a misspelt one shows only among all of them.
    return {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}
