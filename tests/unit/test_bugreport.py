"""A bug report has all that helps, and no secret: planted ones are looked for in every form."""

from __future__ import annotations

import base64
import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from bugreport import __main__ as command
from bugreport import gather, write
from bugreport.gather import Report, finished
from bugreport.redaction import GONE, Redaction, keys_of, names_in
from cluster.access import Access, Certificate, User
from cluster.client import Answer, Cluster
from cluster.errors import ForbiddenError
from model.leaks import LeakError, forms

from .test_status import Lab

# Made up, each in its own place.
REDIS = "planted-redis-pw"
CONFIGURED = "planted-component-pw"
ENVIRONMENT = "planted-env-token"
LOGGED = "planted-bearer-0123456789"
ADDRESS = "planted-url-pw"
CONFIG_MAP = "planted-configmap-pw"
OWN_TOKEN = "planted-kubeconfig-token"  # noqa: S105
APPLIED = "planted-applied-pw"
KEY_BODY = "cGxhbnRlZHByaXZhdGVrZXlwbGFudGVkcHJpdmF0ZWtleQ"
KEY = f"-----BEGIN PRIVATE KEY-----\n{KEY_BODY}\n-----END PRIVATE KEY-----\n"
REGISTRY = "planted-registry-pw"
DOTENV = "planted-dotenv-pw"
DATABASE = "planted-database-pw"
HIDDEN = "pl4nt3dR4nd0mK3y0f4n0th3rK1nd"
DOCUMENTS = {
    ".dockerconfigjson": json.dumps({"auths": {"r.example": {"username": "me", "password": REGISTRY}}}),
    ".env": f"COLOUR=blue\nDB_PASSWORD={DOTENV}\nWHATEVER={HIDDEN}\n",
    "url": f"postgres://app:{DATABASE}@db:5432/shop",
}
PLANTED = (
    REGISTRY,
    DOTENV,
    DATABASE,
    HIDDEN,
    REDIS,
    CONFIGURED,
    ENVIRONMENT,
    LOGGED,
    ADDRESS,
    CONFIG_MAP,
    OWN_TOKEN,
    APPLIED,
    KEY_BODY,
)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Planted(Lab):
    """A stack with secrets wherever they can be."""

    def __init__(self) -> None:
        super().__init__()
        self.add(
            "/api/v1/namespaces/dapr-test/secrets/redis-password",
            data={"redis-password": encoded(REDIS), "redis.conf": encoded(f'requirepass "{REDIS}"\nport 6379\n')},
            kind="Secret",
        )
        self.add(
            "/api/v1/namespaces/osm-system/secrets/osm-ca-bundle",
            data={"ca.crt": encoded("public"), "private.key": encoded(KEY)},
        )
        self.add(
            "/api/v1/namespaces/dapr-test/secrets/documents",
            data={key: encoded(text) for key, text in DOCUMENTS.items()},
        )
        bootstrap = yaml.safe_dump(
            {
                "admin": {"address": "a text that every Envoy tells"},
                "secrets": [{"private_key": {"inline_bytes": encoded(KEY)}}],
            }
        )
        self.add(
            "/api/v1/namespaces/dapr-test/secrets/envoy-bootstrap-config-1", data={"bootstrap.yaml": encoded(bootstrap)}
        )
        self.add(
            "/api/v1/namespaces/dapr-test/configmaps/app",
            data={
                "app.conf": f"colour: blue\npassword: {CONFIG_MAP}\nurl: https://user:{ADDRESS}@host/x",
                "key.pem": KEY,
            },
            metadata={
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": {"x": APPLIED}}),
                    "note": f"the password is {REDIS}, in base64 {encoded(REDIS)}",
                }
            },
        )
        pod = self.objects["/api/v1/namespaces/dapr-test/pods/nodeapp-1"]
        pod["spec"]["containers"][0]["env"] = [
            {"name": "API_TOKEN", "value": ENVIRONMENT},
            {"name": "COLOUR", "value": "blue"},
        ]
        self.add_crd("components.dapr.io", "Component")
        self.add(
            "/apis/dapr.io/v1/namespaces/dapr-test/components/statestore",
            spec={
                "metadata": [{"name": "redisPassword", "value": CONFIGURED}, {"name": "redisHost", "value": "r:6379"}]
            },
        )
        self.container_logs["dapr-test/nodeapp-1/node"] += [
            f"2026-01-01T00:00:02Z Authorization: Bearer {LOGGED}",
            f"2026-01-01T00:00:03Z connecting with {REDIS} and {ENVIRONMENT}, {KEY_BODY}",
            f"2026-01-01T00:00:03Z tried {REGISTRY}, {DOTENV}, then {DATABASE} and {HIDDEN}",
            f"2026-01-01T00:00:04Z my own token is {OWN_TOKEN} or {encoded('x' + CONFIGURED)}",
        ]
        self.container_logs["dapr-test/nodeapp-1/node/previous"] = ["2026-01-01T00:00:00Z panic: before"]
        self.envoys = {
            "/config_dump?include_eds": json.dumps({"private_key": {"inline_bytes": encoded(KEY)}, "route": "kept"}),
        }

    def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
        if isinstance(self.envoy, Exception):
            raise self.envoy
        return Answer(status=200, body=self.envoys.get(path, "{}"))


def gathered(fake: Lab, **more: Any) -> Report:
    given: dict[str, Any] = {
        "namespaces": ["dapr-system", "osm-system", "dapr-test"],
        "mark": "dev",
        "status": None,
        "secrets": [OWN_TOKEN],
        "seconds": 60,
        **more,
    }
    return gather.gather(fake, **given)


@pytest.fixture(autouse=True)
def no_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "versions", lambda: {"program": "as mocked"})


def test_no_planted_secret_is_in_any_file_in_any_form() -> None:
    report = gathered(Planted())
    assert report.left_out == []
    for name, text in report.files.items():
        for planted in PLANTED:
            for form in forms(planted):
                assert form not in text, f"{planted} is in {name}"


def test_what_is_no_secret_stays() -> None:
    files = gathered(Planted()).files
    config = files["objects/dapr-test/configmaps.yaml"]
    assert "colour: blue" in config
    assert f"password: {GONE}" in config
    assert "host/x" in config
    secrets = yaml.safe_load_all(files["objects/dapr-test/secrets.yaml"])
    assert {"redis-password": GONE, "redis.conf": GONE} in [one["data"] for one in secrets]
    assert "value: blue" in files["objects/dapr-test/pods.yaml"]
    assert "r:6379" in files["objects/dapr-test/components.dapr.io.yaml"]
    assert "Got a new order! Order ID: 7" in files["logs/dapr-test/nodeapp-1/node.log"]
    assert files["logs/dapr-test/nodeapp-1/node.previous.log"] == "2026-01-01T00:00:00Z panic: before\n"
    assert '"route": "kept"' in files["envoy/dapr-test/nodeapp-1/config_dump.json"]
    assert "versions.json" in files


def test_a_report_says_what_is_in_it_and_what_was_taken_out() -> None:
    report = gathered(Planted())
    page = write.first_page(report, name="dev", at="now")
    for what in (
        "values of Secrets",
        "values under a name that speaks of a secret",
        "private keys",
        "tokens",
        "credentials in addresses",
        "kubectl's copies of objects",
        "known secrets in other places",
    ):
        assert report.redaction.removed[what] > 0, what
        assert f"- {what}: {report.redaction.removed[what]}" in page
    assert "- logs: 2 files" in page
    assert "could not be read" not in page


def test_what_may_not_be_read_is_told_and_the_rest_is_there() -> None:
    fake = Planted()
    fake.refused = ("/secrets",)
    fake.envoy = ForbiddenError("can't forward ports there")
    report = gathered(fake)
    assert "secrets in dapr-test" in report.missing
    assert report.missing["the Envoy of dapr-test/nodeapp-1"] == "can't forward ports there"
    page = write.first_page(report, name="dev", at="now")
    assert "could not be looked for in logs" in page
    assert "- secrets in dapr-test: may not see" in page
    assert "objects/dapr-test/pods.yaml" in report.files
    assert ENVIRONMENT not in "".join(report.files.values()), "structure needs no right"


def test_when_time_is_up_what_is_there_is_told() -> None:
    report = gathered(Planted(), seconds=-1)
    assert set(report.files) == {"versions.json"}
    assert "there was no time left for it" in report.missing.values()


def test_a_file_in_which_a_secret_would_be_left_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    redaction = Redaction()
    redaction.learn([REDIS])
    monkeypatch.setattr(redaction, "scrub", lambda text: text)
    report = finished(Report(redaction=redaction), {"a.txt": f"x {REDIS}", "b.txt": "fine"})
    assert set(report.files) == {"b.txt"}
    assert report.left_out == ["a.txt"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("password=hunter22x", "password=[secret]"),
        ("DB_PASSWORD: 'hunter22x',", "DB_PASSWORD: '[secret]',"),
        ('{"apiKey": "hunter22x", "a": 1}', '{"apiKey": "[secret]", "a": 1}'),
        ('requirepass "hunter22x"', "requirepass [secret]"),
        ("client-key-data: aHVudGVyMjJ4", "client-key-data: [secret]"),
        ("redis://:hunter22x@redis:6379", "redis://[secret]@redis:6379"),
        ("authorization: Basic aHVudGVyMjJ4", "authorization: Basic [secret]"),
        ("authorization: Basic aHVudGVyMjJ4 x", "authorization: Basic [secret] x"),
        ("Cookie: a=hunter22x; b=hunter22x", "Cookie: [secret]"),
        ("redis://me:hun@ter22x@redis:6379", "redis://[secret]@redis:6379"),
        ("https://hunter22x@github.com/a/b", "https://[secret]@github.com/a/b"),
        ("x ghp_0123456789abcdefghijABCDEFGHIJ y", "x [secret] y"),
        (f"x pul-{'0123456789' * 4} y", "x [secret] y"),
        ("primaryEncryptionKey: hunter22x", "primaryEncryptionKey: [secret]"),
        ("DB_PASS=hunter22x REDIS_AUTH=hunter22x", "DB_PASS=[secret] REDIS_AUTH=[secret]"),
        ("AccountName=a;AccountKey=aHVudGVy+/==;x", "AccountName=a;AccountKey=[secret];x"),
        ("https://a/b?sv=1&sig=hunter22x", "https://a/b?sv=1&sig=[secret]"),
        ("app --db-password hunter22x --port 1", "app --db-password [secret] --port 1"),
        (r'{"msg": "{\"password\":\"hunter22x\"}"}', r'{"msg": "{\"password\":\"[secret]\"}"}'),
        ('{"name":"DB_PASSWORD","value":"hunter22x"}', '{"name":"DB_PASSWORD","value":"[secret]"}'),
        ("- name: DB_PASSWORD\n  value: hunter22x", "- name: DB_PASSWORD\n  value: [secret]"),
        ('{"password": {"value": "hunter22x"}}', '{"password": {"value": "[secret]"}}'),
        ("password: |\n  hunter22x", "password: |\n  [secret]"),
        ("passwords:\n  - hunter22x", "passwords:\n  - [secret]"),
        ("x eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl y", "x [secret] y"),
        (KEY, "[secret]\n"),
        (f"a {encoded(KEY)} b", "a [secret] b"),
        # Nothing of a secret.
        ("token: null, secret: true", "token: null, secret: true"),
        ("https://host:8080/path@x", "https://host:8080/path@x"),
        ("docker-pullable://nginx@sha256:abcd", "docker-pullable://nginx@sha256:abcd"),
        ("imagePullSecrets:\n- name: registry", "imagePullSecrets:\n- name: registry"),
        ("secret:\n  secretName: tls\n", "secret:\n  secretName: tls\n"),
        ("--token-file /x --author me", "--token-file /x --author me"),
        ("pod pul-nodeapp-5c9f8d7b6-abcde", "pod pul-nodeapp-5c9f8d7b6-abcde"),
        ("the secret reader reads secrets", "the secret reader reads secrets"),
        ("a certificate LS0tLS1CRUdJTiBDRVJU", "a certificate LS0tLS1CRUdJTiBDRVJU"),
    ],
)
def test_a_text_loses_what_looks_like_a_secret_and_nothing_else(text: str, kept: str) -> None:
    assert Redaction().text(text) == kept


def test_an_object_loses_what_stands_under_a_name_that_speaks_of_a_secret() -> None:
    spec = {
        "args": ["--requirepass", "hunter22x", "--port", "6379", "--token", "--verbose"],
        "passwords": ["hunter22x"],
        "pin": {"password": 83746283, "token": {"value": "hunter22x", "of": "a"}},
        "httpHeaders": [{"name": "Authorization", "value": "Basic hunter22x"}, {"name": "DB_PASS", "value": "hunter"}],
    }
    assert Redaction().object(spec) == {
        "args": ["--requirepass", GONE, "--port", "6379", "--token", "--verbose"],
        "passwords": [GONE],
        "pin": {"password": GONE, "token": {"value": GONE, "of": "a"}},
        "httpHeaders": [{"name": "Authorization", "value": GONE}, {"name": "DB_PASS", "value": GONE}],
    }


def test_an_object_keeps_what_says_where_a_secret_is() -> None:
    spec = {
        "imagePullSecrets": [{"name": "registry"}],
        "automountServiceAccountToken": False,
        "volumes": [{"name": "t", "secret": {"secretName": "tls", "defaultMode": 420}}],
        "sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}],
        "env": [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}}],
        "secrets": {"scopes": [{"storeName": "kubernetes", "allowedSecrets": ["one"]}]},
        "auth": {"secretStore": "kubernetes"},
    }
    assert Redaction().object(spec) == spec


def test_a_secret_of_several_words_costs_no_file() -> None:
    words = "correct horse battery staple"
    fake = Planted()
    fake.add("/api/v1/namespaces/dapr-test/secrets/words", data={"x": encoded(words)}, kind="Secret")
    text = f"{'some words ' * 8}{words} and more"
    fake.objects["/api/v1/namespaces/dapr-test/configmaps/app"]["data"]["notes"] = text
    report = gathered(fake)
    assert report.left_out == []
    assert f"words {GONE} and more" in report.files["objects/dapr-test/configmaps.yaml"]


def test_a_first_page_whose_words_are_like_a_secret_ends_no_report() -> None:
    report = Report(redaction=Redaction())
    report.redaction.learn(["read-the-cluster"])
    assert "This page is left out" in write.first_page(report, name="dev", at="now")


def test_a_name_that_stands_everywhere_is_not_looked_for_although_it_is_somebodys_secret() -> None:
    redaction = Redaction()
    redaction.learn(["redis", REDIS])
    redaction.public.update(names_in([{"kind": "Deployment", "metadata": {"name": "redis", "namespace": "n"}}]))
    assert redaction.scrub(f"redis has {REDIS}") == f"redis has {GONE}"
    assert redaction.check("redis") == "redis"


def test_of_an_envoys_first_configuration_only_keys_are_secret() -> None:
    document = yaml.safe_dump({"a": "some everyday text", "b": [encoded(KEY)]})
    assert set(keys_of(document)) == {encoded(KEY), KEY}
    assert list(keys_of("{")) == ["{"], "what can't be read is all secret"


def test_what_this_user_signs_in_with_is_secret() -> None:
    key = Certificate(chain=b"public", key=KEY.encode())
    access = Access(context="c", server="https://x", user=User(token="t-1", basic=("me", "pw-1"), certificate=key))
    assert set(command.own_secrets(access)) == {"t-1", "pw-1", KEY}
    given = {"PULUMI_CONFIG_PASSPHRASE": "long-enough", "MY_TOKEN": "short", "HOME": "/somewhere/else"}
    assert list(command.environment_secrets(given)) == ["long-enough"]


def test_the_command_writes_an_archive_that_only_its_user_may_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = Planted()
    monkeypatch.setattr(Cluster, "connect", lambda context: fake)
    monkeypatch.setattr(command, "check_context", lambda context, environ: context)
    monkeypatch.setattr(command, "find_access", lambda environ, context: Access(context=context, server="https://x"))
    file = tmp_path / "report.tar.gz"
    file.touch(mode=0o644)
    assert command.main(["--output", str(file)]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as packed:
        names = packed.getnames()
    assert {"report/README.md", "report/status.json", "report/versions.json"} <= set(names)
    said = capsys.readouterr().out
    assert "## What was taken out" in said
    assert said.endswith(f"It is in {file}.\n")
    assert command.main(["--folder", str(tmp_path / "open")]) == 0
    assert (tmp_path / "open" / "README.md").stat().st_mode & 0o777 == 0o600
    fake.objects.clear()
    assert command.main(["--output", str(file)]) == 1
    assert capsys.readouterr().err.startswith("error: no stack")


@pytest.mark.parametrize("name", ["a", "ab", "abc"])
def test_what_a_certificate_shares_with_its_key_is_no_leak(name: str) -> None:
    """Both hold the key's public part; where it begins alike, their base64 has words in common."""
    key = RSA_KEY
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    certificate = built.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    redaction = Redaction()
    data = {"ca.crt": certificate, "private.key": private}
    redaction.learn_secret({"data": {name: base64.b64encode(value).decode() for name, value in data.items()}})
    bundle = f"caBundle: {base64.b64encode(certificate).decode()}"
    assert redaction.check(redaction.scrub(bundle)) == bundle
    for leak in (private.decode(), base64.b64encode(private).decode(), private.decode().splitlines()[3]):
        with pytest.raises(LeakError):
            redaction.check(f"{bundle}\n{leak}")


RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
