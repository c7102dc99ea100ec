"""A config or a kubeconfig that can't be used stops the program before anything is registered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest

from model.versions import DEFAULT_DAPR_VERSION

from .charts import ADDRESS, DNS_NAME
from .conftest import CONTEXT
from .program import PASSWORD, run
from .recording import Recorded


def refused(**overrides: Any) -> str:
    registered: list[Recorded] = []
    with pytest.raises(pulumi.RunError) as caught:
        run(into=registered, **overrides)
    assert registered == [], "nothing may be touched by a config that is known to be wrong"
    return str(caught.value)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"stage": "smii"}, 'Did you mean "smi"?'),
        ({"redisPassword": None}, "dapr-osm:redisPassword is not set"),
        ({"redisPasword": "x"}, "Did you mean dapr-osm:redisPassword?"),
        ({"extraPortExclusions": [50002]}, "calls between Dapr's sidecars"),
        ({"extraIpRangeExclusions": ["10.0.0.1"]}, 'Did you mean "10.0.0.1/32"?'),
        ({"excludeApiServer": False}, "may be false only where"),
        ({"osmValues": {"osm": {"meshName": "other"}}}, "may not set osm.meshName"),
        ({"daprValues": {"global": None}}, "may not set global.mtls.enabled"),
        ({"daprChart": "no/such/chart"}, "there is no no/such/chart"),
        ({"osmChart": "/srv/charts/osm"}, 'dapr-osm:osmChart: "/srv/charts/osm" is an absolute path'),
        ({"readAllSecrets": "yes"}, 'dapr-osm:readAllSecrets: "yes" is not one of true, false'),
        ({"daprMtls": True}, f"may not be true with Dapr {DEFAULT_DAPR_VERSION}"),
        ({"daprMtls": True, "daprVersion": DNS_NAME}, f"may not be true with Dapr {DNS_NAME}"),
        ({"daprValues": {"dapr_operator": {"serviceReconciler": None}}}, "may not set dapr_operator.serviceReconciler"),
        ({"osmValues": {"osm": {"enableEgress": False}}}, "it is set by dapr-osm:enableEgress"),
        ({"daprNamespace": "osm-system"}, "is used for something else too"),
        ({"appsNamespace": "default"}, "is a namespace of the cluster's own"),
        ({"apps": {"nodeapp": None}}, "names nodeapp, which is not an app"),
        ({"apps": {"nodeapp-dapr": {"image": "i:1"}}}, "is a name that is taken: Dapr's Service of nodeapp"),
        ({"apps": {"third": {}}}, "dapr-osm:apps.third.image is not set"),
        ({"apps": {"third": {"image": "i:1", "imagee": "j:1"}}}, "Did you mean dapr-osm:apps.third.image?"),
        (
            {
                "apps": {"third": {"image": "i:1", "namespace": "elsewhere"}},
                "policies": {"orders": {"destination": "nodeapp", "sources": ["third"]}},
            },
            f"crosses namespaces, which Dapr {DEFAULT_DAPR_VERSION} can't do",
        ),
        (
            {"daprVersion": ADDRESS, "policies": {"pythodapp-traffic-target": {"pathRegex": "/x"}}},
            f"has no meaning with Dapr {ADDRESS}",
        ),
        ({"kubeContext": "elsewhere"}, 'dapr-osm:kubeContext: "elsewhere" is not a context of'),
    ],
    ids=str,
)
def test_a_bad_config_stops_before_anything_is_registered(bad: dict[str, Any], says: str) -> None:
    assert says in refused(**bad)


def test_a_password_in_the_clear_stops_before_anything_is_registered() -> None:
    message = refused(secret_keys=())
    assert "dapr-osm:redisPassword stands in the stack file in the clear" in message
    assert PASSWORD not in message


def test_a_password_in_the_clear_is_told_together_with_all_else() -> None:
    message = refused(secret_keys=(), stage="smii", osmChart="/srv/charts/osm")
    assert "dapr-osm:redisPassword stands in the stack file in the clear" in message
    assert 'Did you mean "smi"?' in message
    assert "is an absolute path" in message
    assert PASSWORD not in message


def test_a_context_that_does_not_exist_stops_before_anything_is_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config"
    path.write_text("current-context: production\ncontexts:\n- name: production\n- name: lab\n")
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert 'dapr-osm:kubeContext: "lap" is not a context of' in refused(kubeContext="lap")


def test_a_missing_kubeconfig_stops_before_anything_is_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert "there is no kubeconfig" in refused()


def test_the_expected_context_lets_the_program_run() -> None:
    assert "dapr-injector-ready" in run(stage="dapr", kubeContext=CONTEXT)
