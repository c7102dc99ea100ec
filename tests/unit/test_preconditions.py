"""What a cluster must be like before a stack touches it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import ApiError
from model.owner import STACK_LABEL
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION
from preflight import preconditions
from preflight.checks import CHECKS, examine
from preflight.finding import Level
from preflight.subject import Subject

from .fake_cluster import FakeCluster
from .subjects import OWNER, lines, subject, told

DEFAULT_CLASS = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
CLAIMS = "/api/v1/namespaces/dapr-system/persistentvolumeclaims"
VOLUMES: dict[str, Any] = {}
MEMORY: dict[str, Any] = {"inMemoryStorage": True}
BUNDLE = "/api/v1/namespaces/dapr-system/configmaps/dapr-trust-bundle"
OF_CLUSTER = tuple(check for check in CHECKS if check.name in ("storage", "others", "root-key"))

# A throw-away self-signed certificate, as `openssl req -x509 -newkey ed25519` makes it; its key is gone.
ED25519 = """\
-----BEGIN CERTIFICATE-----
MIIBMjCB5aADAgECAhRZyZId/n9woWZhbznsTgPlGf2kszAFBgMrZXAwDzENMAsG
A1UECgwEdGVzdDAeFw0yNjExMjUwNDAzMzFaFw0zNjExMjIwNDAzMzFaMA8xDTAL
BgNVBAoMBHRlc3QwKjAFBgMrZXADIQD3+oyYyJbYtxH1GiqxICjYrfuq3woJN0Ok
rACulgm4OKNTMFEwHQYDVR0OBBYEFO5rFwDW+1JZZ77G4tF+aWQa4ezNMB8GA1Ud
IwQYMBaAFO5rFwDW+1JZZ77G4tF+aWQa4ezNMA8GA1UdEwEB/wQFMAMBAf8wBQYD
K2VwA0EA/DTKY8KcoMrxfUHPLbSBsq7NUzIYMNLdAQdbt9iz0IZNYmggJ411O9KW
kBdZhEajlnVIo8/5Np/ZqpJ9Uv7bBA==
-----END CERTIFICATE-----
"""


def with_classes(**classes: dict[str, Any]) -> FakeCluster:
    fake = FakeCluster()
    for name, metadata in classes.items():
        fake.add(f"{CLASSES}/{name}", metadata=metadata)
    return fake


def about(fake: FakeCluster, version: str = DEFAULT_DAPR_VERSION, **storage: Any) -> Subject:
    """A stack whose scheduler is told this of its storage."""
    values = {"dapr_scheduler": {"cluster": storage}} if storage else {}
    return subject(fake, daprVersion=version, daprValues=values)


def checked(fake: FakeCluster, version: str, storage: dict[str, Any] = MEMORY) -> list[str]:
    """What is wrong, a line each."""
    try:
        found = examine(about(fake, version, **storage), OF_CLUSTER)
    finally:
        assert {method for method, _ in fake.requests} <= {"GET"}, "a check changes nothing"
    return [str(one.finding) for one in found if one.finding.level is Level.BREAKS]


def storage_problems(fake: FakeCluster, storage_class: str = "", version: str = DEFAULT_DAPR_VERSION) -> list[str]:
    """What is wrong with the storage alone."""
    given = {"storageClassName": storage_class} if storage_class else {}
    return lines(told(preconditions.storage, about(fake, version, **given)))


# --- storage ----------------------------------------------------------------------------------------------------


def test_a_default_storage_class_is_all_that_the_scheduler_needs() -> None:
    assert storage_problems(with_classes(slow={}, fast=DEFAULT_CLASS)) == []


def test_a_cluster_without_any_storage_class_is_refused_with_both_mends() -> None:
    (line,) = storage_problems(FakeCluster())
    assert line.startswith(
        "Dapr's scheduler wants volumes, and the cluster has no default StorageClass. There is none."
    )
    assert "dapr_scheduler.cluster.storageClassName in dapr-osm:daprValues" in line
    assert "dapr_scheduler.cluster.inMemoryStorage: true" in line


@pytest.mark.parametrize(
    ("old", "new", "fits"),
    [("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z", True), ("2025-01-01T00:00:00Z", "2024-01-01T00:00:00Z", False)],
)
def test_of_two_defaults_the_newest_counts_as_for_kubernetes(old: str, new: str, fits: bool) -> None:
    fake = FakeCluster()
    for name, at, provisioner in (("by-hand", old, preconditions.NOBODY), ("later", new, "example.com/some")):
        metadata = {**DEFAULT_CLASS, "creationTimestamp": at}
        fake.add(f"{preconditions.STORAGE_CLASSES}/{name}", metadata=metadata, provisioner=provisioner)
    assert (storage_problems(fake) == []) is fits


def test_a_default_may_be_marked_as_it_was_in_the_beginning() -> None:
    before = {"annotations": {"storageclass.beta.kubernetes.io/is-default-class": "true"}}
    assert storage_problems(with_classes(fast=before)) == []


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"annotations": None},
        {"annotations": {}},
        {"annotations": {"storageclass.kubernetes.io/is-default-class": "false"}},
        {"annotations": {"is-default-class": "true"}},
    ],
)
def test_a_cluster_without_a_default_is_refused_and_its_classes_are_named(metadata: dict[str, Any]) -> None:
    (line,) = storage_problems(with_classes(slow=metadata, fast={}))
    assert "has no default StorageClass. There are fast, slow. Make one the default" in line


def test_a_storage_class_that_is_named_needs_not_be_the_default() -> None:
    assert storage_problems(with_classes(slow={}), "slow") == []


@pytest.mark.parametrize(("there", "says"), [({"fast": DEFAULT_CLASS}, "There are fast."), ({}, "There is none.")])
def test_a_named_storage_class_that_is_missing_is_refused(there: dict[str, Any], says: str) -> None:
    (line,) = storage_problems(with_classes(**there), "slow")
    assert line.startswith(
        f"Dapr's scheduler wants volumes of the StorageClass slow, which does not exist. {says} Mend"
    )


@pytest.mark.parametrize("version", [version for version, release in DAPR_RELEASES.items() if release.scheduler])
def test_memory_is_offered_where_the_releases_chart_takes_it(version: str) -> None:
    (line,) = storage_problems(FakeCluster(), version=version)
    assert ("inMemoryStorage" in line) is (version != "1.16.0"), "its chart fails with it"


# --- who makes volumes ------------------------------------------------------------------------------------------


def provisioned_by(name: str, *drivers: str) -> FakeCluster:
    """A default class of this provisioner, on a cluster with these CSI drivers."""
    fake = with_classes(fast=DEFAULT_CLASS)
    fake.objects[f"{CLASSES}/fast"]["provisioner"] = name
    for driver in drivers:
        fake.add(f"/apis/storage.k8s.io/v1/csidrivers/{driver}")
    return fake


@pytest.mark.parametrize(
    ("provisioner", "driver"),
    [
        ("ebs.csi.aws.com", "ebs.csi.aws.com"),
        ("kubernetes.io/aws-ebs", "ebs.csi.aws.com"),
        ("kubernetes.io/azure-disk", "disk.csi.azure.com"),
        ("rook-ceph.rbd.csi.ceph.com", "rook-ceph.rbd.csi.ceph.com"),
    ],
)
def test_a_class_whose_driver_is_missing_makes_no_volumes(provisioner: str, driver: str) -> None:
    (line,) = storage_problems(provisioned_by(provisioner, "other.csi.example"))
    assert f"has its volumes from the driver {driver}, which this cluster does not have" in line
    assert "Install the driver." in line
    assert storage_problems(provisioned_by(provisioner, driver)) == []


def test_a_driver_is_known_by_a_node_or_by_a_volume_too() -> None:
    on_node = provisioned_by("a.csi.example")
    on_node.add("/apis/storage.k8s.io/v1/csinodes/n", spec={"drivers": [{"name": "a.csi.example"}]})
    made = provisioned_by("a.csi.example")
    made.add("/api/v1/persistentvolumes/v", metadata={"annotations": {preconditions.PROVISIONED_BY: "a.csi.example"}})
    hidden = provisioned_by("a.csi.example")
    hidden.refused_with["GET", "/apis/storage.k8s.io/v1/csinodes"] = 403
    for fake in (on_node, made, hidden):
        assert storage_problems(fake) == []


@pytest.mark.parametrize("provisioner", ["rancher.io/local-path", "k8s.io/minikube-hostpath", ""])
def test_who_provisions_without_being_a_driver_registers_nowhere(provisioner: str) -> None:
    assert storage_problems(provisioned_by(provisioner)) == []


@pytest.mark.parametrize(("free", "fits"), [(0, False), (2, False), (3, True)])
def test_volumes_that_are_made_by_hand_are_counted(free: int, fits: bool) -> None:
    fake = provisioned_by("kubernetes.io/no-provisioner")
    for number in range(free):
        path = f"/api/v1/persistentvolumes/v{number}"
        fake.add(path, spec={"storageClassName": "fast"}, status={"phase": "Available"})
    fake.add("/api/v1/persistentvolumes/taken", spec={"storageClassName": "fast"}, status={"phase": "Bound"})
    fake.add("/api/v1/persistentvolumes/other", spec={"storageClassName": "slow"}, status={"phase": "Available"})
    found = storage_problems(fake)
    assert (found == []) is fits
    assert fits or f"{free} of the 3" in found[0]


def claimed(*phases: str | None, name: str = "dapr-scheduler-data-dir-dapr-scheduler-server") -> FakeCluster:
    fake = FakeCluster()
    for number, phase in enumerate(phases):
        fake.add(f"{CLAIMS}/{name}-{number}", **({"status": {"phase": phase}} if phase else {}))
    return fake


def test_claims_that_have_their_volumes_already_need_no_class() -> None:
    assert storage_problems(claimed("Bound", "Bound", "Bound")) == []
    assert storage_problems(claimed("Bound", "Bound", "Bound", "Bound"), "gone") == []


def test_a_release_with_more_schedulers_than_there_are_claims_needs_a_class() -> None:
    assert len(storage_problems(claimed("Bound"))) == 1


@pytest.mark.parametrize("phases", [("Pending",), ("Bound", "Pending"), ("Bound", "Lost"), ("Bound", None)])
def test_claims_that_wait_for_volumes_do(phases: tuple[str | None, ...]) -> None:
    assert len(storage_problems(claimed(*phases))) == 1


def test_other_claims_and_those_of_other_namespaces_say_nothing() -> None:
    assert len(storage_problems(claimed("Bound", name="data"))) == 1
    elsewhere = subject(claimed("Bound", "Bound", "Bound"), daprNamespace="dapr")
    assert len(told(preconditions.storage, elsewhere)) == 1


@pytest.mark.parametrize("version", [version for version, release in DAPR_RELEASES.items() if release.scheduler])
def test_a_scheduler_that_keeps_its_jobs_in_memory_needs_no_volumes(version: str) -> None:
    assert checked(FakeCluster(), version, MEMORY) == []
    assert len(checked(FakeCluster(), version, VOLUMES)) == 1


@pytest.mark.parametrize("version", ["1.12.0"])
def test_a_release_without_a_scheduler_needs_none_either(version: str) -> None:
    assert checked(FakeCluster(), version, VOLUMES) == []


# --- other people's apps ----------------------------------------------------------------------------------------


DAPR: dict[str, str] = {"dapr.io/enabled": "true"}


def workload(
    fake: FakeCluster, kind: str, namespace: str, name: str, annotations: dict[str, str] = DAPR, **metadata: Any
) -> None:
    """A workload of that plural kind, in apps/v1 where no other group is named; Dapr's, unless told otherwise."""
    fake.add(
        f"/apis/apps/v1/namespaces/{namespace}/{kind}/{name}",
        metadata=metadata,
        spec={"template": {"metadata": {"annotations": annotations} if annotations else {}}},
    )


def others(fake: FakeCluster) -> list[str]:
    return lines(told(preconditions.other_apps, about(fake, "1.16.0")))


def test_an_app_of_other_peoples_would_lose_its_service() -> None:
    fake = FakeCluster()
    workload(fake, "deployments", "shop", "cart")
    (line,) = others(fake)
    assert line.startswith("with Dapr 1.16.0 the reconciler of Dapr's operator must be off")
    assert "the Services of Deployment shop/cart, which are not of this stack." in line


def test_all_of_them_are_named_in_one_line() -> None:
    fake = FakeCluster()
    workload(fake, "statefulsets", "shop", "ledger")
    workload(fake, "deployments", "shop", "cart")
    (line,) = others(fake)
    assert "Deployment shop/cart, StatefulSet shop/ledger," in line


@pytest.mark.parametrize("truth", ["true", "True", "TRUE", "1", "y", "yes", "on"])
def test_whatever_dapr_takes_for_true_counts(truth: str) -> None:
    fake = FakeCluster()
    workload(fake, "deployments", "shop", "cart", {"dapr.io/enabled": truth})
    assert len(others(fake)) == 1


@pytest.mark.parametrize(
    "annotations", [{}, {"dapr.io/enabled": "false"}, {"dapr.io/enabled": ""}, {"dapr.io/app-id": "cart"}]
)
def test_apps_that_dapr_does_not_serve_are_nobodys_concern(annotations: dict[str, str]) -> None:
    fake = FakeCluster()
    workload(fake, "deployments", "shop", "cart", annotations)
    assert others(fake) == []


def test_this_stacks_apps_are_known_by_its_mark_wherever_they_are() -> None:
    fake = FakeCluster()
    workload(fake, "deployments", "dapr-test", "nodeapp", labels=OWNER.labels)
    workload(fake, "deployments", "dropped", "with-its-namespace", labels=OWNER.labels)
    assert others(fake) == []


@pytest.mark.parametrize("labels", [{}, {STACK_LABEL: "prod"}, {"app": "dev"}])
def test_the_name_of_an_app_of_this_stack_says_nothing(labels: dict[str, str]) -> None:
    fake = FakeCluster()
    workload(fake, "deployments", "dapr-test", "nodeapp", labels=labels)
    (line,) = others(fake)
    assert "Deployment dapr-test/nodeapp," in line


@pytest.mark.parametrize("version", DAPR_RELEASES)
def test_where_daprs_operator_keeps_its_reconciler_others_are_welcome(version: str) -> None:
    fake = FakeCluster()
    workload(fake, "deployments", "shop", "cart")
    assert len(checked(fake, version)) == (1 if version in ("1.16.0", "1.17.5") else 0)


# --- Dapr's root key --------------------------------------------------------------------------------------------


def with_root(certificate: str | None, namespace: str = "dapr-system") -> FakeCluster:
    fake = FakeCluster()
    data = {} if certificate is None else {"data": {"ca.crt": certificate}}
    fake.add(f"/api/v1/namespaces/{namespace}/configmaps/dapr-trust-bundle", **data)
    return fake


@pytest.mark.parametrize("version", DAPR_RELEASES)
def test_a_root_key_that_the_release_can_not_read_is_refused(version: str) -> None:
    problems = checked(with_root(ED25519), version)
    if version in ("1.12.0", "1.16.0", "1.17.5"):
        (line,) = problems
        assert line.startswith(
            "Dapr's root key in dapr-system is of kind ed25519, as Dapr 1.18 makes it, and the sentry"
        )
        assert f"of {version} can't read it" in line
    else:
        assert problems == []


@pytest.mark.parametrize(
    "certificate",
    [
        None,
        "",
        "text",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nmüll\n-----END CERTIFICATE-----",
        ED25519.replace("END", "and no end"),
    ],
)
def test_what_is_no_certificate_is_no_such_key(certificate: str | None) -> None:
    assert checked(with_root(certificate), "1.12.0") == []


@given(st.text())
def test_no_certificate_makes_the_check_itself_fail(text: str) -> None:
    certificate = f"-----BEGIN CERTIFICATE-----{text}-----END CERTIFICATE-----"
    assert len(told(preconditions.root_key, about(with_root(certificate), "1.12.0"))) <= 1


def test_without_dapr_there_is_no_key_yet() -> None:
    assert checked(FakeCluster(), "1.12.0") == []
    assert checked(with_root(ED25519, namespace="elsewhere"), "1.12.0") == [], "another Dapr's key is not this one's"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
@pytest.mark.parametrize(
    ("kind", "is_one"),
    [(["ed25519"], True), (["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], False), (["rsa:2048"], False)],
)
def test_keys_are_told_apart_in_certificates_of_openssls(kind: list[str], is_one: bool, tmp_path: Path) -> None:
    command = ["openssl", "req", "-x509", "-nodes", "-subj", "/O=test", "-keyout", str(tmp_path / "key"), "-newkey"]
    made = subprocess.run([*command, *kind], capture_output=True, text=True, check=True)  # noqa: S603 - fixed arguments
    assert bool(checked(with_root(made.stdout), "1.12.0")) is is_one


# --- all of it --------------------------------------------------------------------------------------------------


def test_everything_that_is_wrong_is_told_at_once() -> None:
    fake = with_root(ED25519)
    workload(fake, "deployments", "shop", "cart")
    storage, others_, key = checked(fake, "1.16.0", VOLUMES)
    assert "StorageClass" in storage
    assert "shop/cart" in others_
    assert "ed25519" in key


@pytest.mark.parametrize("version", DAPR_RELEASES)
def test_an_empty_cluster_with_a_default_storage_class_is_fine_for_every_release(version: str) -> None:
    assert checked(with_classes(fast=DEFAULT_CLASS), version, VOLUMES) == []


# --- who may not look -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [CLASSES, CLAIMS])
def test_who_may_not_look_at_storage_is_told_by_the_check_of_rights_alone(path: str) -> None:
    fake = FakeCluster()
    fake.refused_with["GET", path] = 403
    assert checked(fake, DEFAULT_DAPR_VERSION, VOLUMES) == []


def test_any_other_refusal_is_an_error() -> None:
    fake = FakeCluster()
    fake.refused_with["GET", CLASSES] = 500
    with pytest.raises(ApiError, match="500"):
        checked(fake, DEFAULT_DAPR_VERSION, VOLUMES)


@pytest.mark.parametrize("path", [CLASSES, "/apis/apps/v1/deployments", BUNDLE])
def test_what_may_not_be_looked_at_is_the_check_of_rights_to_tell_and_hides_nothing_else(path: str) -> None:
    fake = with_root(ED25519)
    workload(fake, "deployments", "shop", "cart")
    fake.refused_with["GET", path] = 403
    assert len(checked(fake, "1.16.0", VOLUMES)) == 2


def test_a_cluster_that_fails_is_no_verdict() -> None:
    fake = with_root(ED25519)
    fake.refused_with["GET", BUNDLE] = 500
    with pytest.raises(ApiError):
        checked(fake, "1.12.0")
