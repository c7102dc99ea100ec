"""What a person reads when something is wrong, and that nothing has been touched by then."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import Stack


def refusal(stack: Stack) -> str:
    """What a preview that must fail prints; no traceback, and no resource."""
    said = stack.run("preview", ok=False)
    assert "Traceback" not in said
    assert "DaprInstall" not in said, "nothing is registered before the config is checked"
    assert stack.resources() == []
    return said


def with_kubeconfig(stack: Stack, value: str) -> Stack:
    """The same stack, with another KUBECONFIG."""
    return dataclasses.replace(stack, environment={**stack.environment, "KUBECONFIG": value})


def test_everything_wrong_with_a_config_is_said_at_once(stack: Stack) -> None:
    stack.configure(
        stage="permisive",
        stge="smi",
        extraPortExclusions=[50002, 70000],
        extraIpRangeExclusions=["10.0.0.1"],
        excludeApiServer=False,
        daprValues={"global": {"mtls": {"enabled": True}}},
        timeoutSeconds=1,
    )
    said = refusal(stack)
    for line in (
        'dapr-osm:stage: "permisive" is not one of dapr, permissive, locked, smi. Did you mean "permissive"?',
        "dapr-osm:stge is not a setting of this project. Did you mean dapr-osm:stage?",
        "dapr-osm:extraPortExclusions holds 50002",
        "dapr-osm:extraPortExclusions holds 70000, which is not a TCP port (1-65535)",
        'dapr-osm:extraIpRangeExclusions holds "10.0.0.1", which is not an IPv4 CIDR. Did you mean "10.0.0.1/32"?',
        "dapr-osm:excludeApiServer: false may be false only where Redis's password stands in the Component",
        "dapr-osm:daprValues may not set global.mtls.enabled",
        'dapr-osm:timeoutSeconds: "1" is not a number of seconds from 30 to 3600',
    ):
        assert line in said


def test_a_missing_password_is_asked_for_by_its_key(stack: Stack) -> None:
    stack.configure(redisPassword=None)
    content = stack.file.read_text().splitlines()
    stack.file.write_text("\n".join(line for line in content if "redisPassword" not in line and "secure" not in line))
    assert "dapr-osm:redisPassword" in refusal(stack)


@pytest.mark.parametrize("key", ["redisPassword", "registryCredentials"])
def test_a_secret_in_the_clear_is_refused_and_not_repeated(stack: Stack, key: str) -> None:
    value: dict[str, Any] = {"redisPassword": "hunter2hunter2", "registryCredentials": '{"auths": {"hunter2": {}}}'}
    stack.configure(**{key: value[key]})
    said = refusal(stack)
    assert f"dapr-osm:{key}" in said
    assert "hunter2" not in said


def test_a_kubeconfig_that_does_not_exist_is_named(stack: Stack, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert f"{missing} does not exist. Set KUBECONFIG" in refusal(with_kubeconfig(stack, str(missing)))


def test_a_context_that_does_not_exist_is_refused_with_those_that_do(stack: Stack) -> None:
    stack.configure(kubeContext="production")
    said = refusal(stack)
    assert 'dapr-osm:kubeContext: "production" is not a context of' in said
    assert "there: staging, prod" in said


def test_the_stacks_context_counts_whichever_is_current(stack: Stack) -> None:
    stack.configure(kubeContext="prod")
    assert 'the cluster of context "prod" does not answer at' in refusal(stack)


def test_a_kubeconfig_without_a_current_context_is_refused(stack: Stack, kubeconfig: Path) -> None:
    kubeconfig.write_text(kubeconfig.read_text().replace("current-context: staging", "current-context: ''"))
    assert "has no current context (contexts: staging, prod)" in refusal(stack)


def test_a_cluster_that_does_not_answer_is_refused_at_once(stack: Stack) -> None:
    said = refusal(stack)
    assert 'the cluster of context "staging" does not answer at https://127.0.0.1:1' in said
