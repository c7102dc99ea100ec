"""No planted secret ever leaves, whatever the shape."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import string
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from model import mermaid
from model.leaks import LeakError, decodings, guard, without
from review import markdown
from review.events import parse
from review.markdown import Level, rendered
from review.report import known, review
from review.secrets import SECRET, UNKNOWN, Mask, from_config
from tests.review.streams import BLINDED, Stream

PLANTED = "pl4nted-S3cret/+=&\"'\\<x>|y`z*_é~"
# To make a failing example smaller takes minutes here, and says no more.
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
SIGNATURE = "4dabf18193072939515e22adb298388d"


def secret(value: Any) -> dict[str, Any]:
    """As ``--show-secrets`` writes one."""
    return {SIGNATURE: BLINDED[SIGNATURE], "plaintext": json.dumps(value)}


SHAPES: dict[str, Callable[[str], Any]] = {
    "what the engine marks": secret,
    "a marked object": lambda text: secret({"deep": [text]}),
    "a marked output": lambda text: {SIGNATURE: "d0e6a833031e9bbcd3f4e8bde6ca49a4", "value": text, "secret": True},
    "a Secret's data": lambda text: {"kind": "Secret", "data": {"key": base64.b64encode(text.encode()).decode()}},
    "a Secret's stringData": lambda text: {"kind": "Secret", "stringData": {"key": text}},
    "a Secret's data, marked": lambda text: {"kind": "Secret", "data": secret({"key": text})},
    "a Secret in a list": lambda text: {"kind": "List", "items": [{"kind": "Secret", "stringData": {"k": text}}]},
    "a Secret in what the provider keeps": lambda text: {
        "kind": "Secret",
        "__inputs": {"stringData": {"key": text}},
    },
    "a Secret as text": lambda text: {"manifest": json.dumps({"kind": "Secret", "stringData": {"key": text}})},
    "what the engine marks, as text": lambda text: {"manifest": json.dumps({"a": secret(text)})},
    "what kubectl noted down": lambda text: {
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": json.dumps(
                {"kind": "Secret", "stringData": {"key": text}}
            )
        }
    },
    "a variable that kubectl noted down": lambda text: {
        "kubectl.kubernetes.io/last-applied-configuration": json.dumps({"env": [{"name": "TOKEN", "value": text}]})
    },
    "a name that speaks for itself": lambda text: {"dbPassword": text},
    "a file's line that speaks for itself": lambda text: {"app.conf": f"level=1\ndb.password={text}\nlast=2"},
    "a JSON file that speaks for itself": lambda text: {"app.json": json.dumps({"level": 1, "apiToken": text})},
    "an argument that speaks for itself": lambda text: {"args": [f"--redis-password={text}"]},
    "what an argument before it speaks for": lambda text: {"args": ["run", "--redis-password", text]},
    "a command's option": lambda text: {"create": f"redis-cli --password {text} ping"},
    "a YAML file's lines": lambda text: {"app.yaml": f"db:\n  password: |\n    first\n    {text}\n  user: app\n"},
    "a private key": lambda text: {
        "key.pem": f"-----BEGIN RSA PRIVATE KEY-----\n{text}\n-----END RSA PRIVATE KEY-----\n"
    },
    "an address's password": lambda text: {
        "value": f"postgres://app:{urllib.parse.quote(text, safe='')}@db.example/app"
    },
    "a variable that speaks for itself": lambda text: {"env": [{"name": "API_TOKEN", "value": text}]},
}


def masked(raw: Any) -> str:
    return json.dumps(Mask().value(raw), default=str)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_secret_is_masked_by_structure_alone(shape: Callable[[str], Any]) -> None:
    found = masked({"outer": [shape(PLANTED)]})
    for form in (PLANTED, json.dumps(PLANTED)[1:-1], base64.b64encode(PLANTED.encode()).decode(), "S3cret"):
        assert form not in found


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("token=token", "token=[secret]"),
        ("user: me\npassword: correct horse\nlast: 2", "user: me\npassword: [secret]\nlast: 2"),
        ('{"apiKey": "a\\"b", "next": "c"}', '{"apiKey": "[secret]", "next": "c"}'),
        ("password: ${FROM_ELSEWHERE}", "password: ${FROM_ELSEWHERE}"),
        ("tokens: 100", "tokens: 100"),
    ],
)
def test_of_a_text_only_the_secret_is_masked(text: str, shown: str) -> None:
    assert Mask().value({"app.conf": text}) == {"app.conf": shown}


def test_a_message_stays_readable() -> None:
    stream = Stream().event(diagnosticEvent={"message": "can't read the secret: forbidden", "severity": "error"})
    assert parse(stream.lines()).errors == ("can't read the secret: forbidden",)


def test_what_is_no_secret_stays_readable() -> None:
    plain = {"kind": "ConfigMap", "data": {"key": "value"}, "secretName": "name", "automountServiceAccountToken": True}
    assert Mask().value(plain) == plain


def test_what_is_unknown_is_not_taken_for_a_text() -> None:
    assert Mask().value({"name": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"})["name"] is UNKNOWN
    assert Mask().value({"password": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"})["password"] is UNKNOWN
    assert "04da6b54" not in Mask().value({"text": "a 04da6b54-80e4-46f7-96ec-b56ff0331ba9 in a text"})["text"]


def test_a_marker_equals_no_text_that_anybody_could_write() -> None:
    assert SECRET != "[secret]"  # noqa: S105 - what stands in for one
    assert {"a": SECRET} == {"a": SECRET}


FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 of something it is in": lambda text: base64.b64encode(f"user:{text}:end".encode()).decode(),
    "base64 of something it is in, one further": lambda text: base64.b64encode(f"users:{text}".encode()).decode(),
    "base64 of something it is in, two further": lambda text: base64.b64encode(f"a user:{text}".encode()).decode(),
    "in an address": lambda text: urllib.parse.quote(text, safe=""),
    "in a form": urllib.parse.quote_plus,
    "in JSON": lambda text: json.dumps({"a": text}),
    "in JSON in JSON": lambda text: json.dumps({"a": json.dumps({"b": text})}),
    "in HTML": html.escape,
    "in hexadecimal": lambda text: text.encode().hex(),
    "in large hexadecimal": lambda text: text.encode().hex().upper(),
    "in an address, in small letters": lambda text: re.sub(
        "%..", lambda found: found[0].lower(), urllib.parse.quote(text, safe="")
    ),
    "in an address in an address": lambda text: urllib.parse.quote(urllib.parse.quote(text, safe=""), safe=""),
    "in JSON, as Go writes it": lambda text: (
        json.dumps(text).replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
    ),
    "in JSON in JSON in JSON": lambda text: json.dumps(json.dumps(json.dumps(text))),
    "in HTML, as Go writes it": lambda text: html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    "in YAML, between two quotes": lambda text: yaml.safe_dump(text, default_style='"', allow_unicode=True),
    "in a shell": shlex.quote,
    "in base64 in base64": lambda text: base64.b64encode(base64.b64encode(f"x:{text}".encode())).decode(),
    "in JSON in base64": lambda text: base64.b64encode(json.dumps({"auth": text}).encode()).decode(),
    "in base64 in an address": lambda text: urllib.parse.quote(base64.b64encode(text.encode()).decode(), safe=""),
    "in a picture": mermaid.text,
    "in YAML": lambda text: "'" + text.replace("'", "''") + "'",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_guard_finds_a_secret_in_every_form(form: Callable[[str], str]) -> None:
    with pytest.raises(LeakError):
        guard(f"before {form(PLANTED)} after", {PLANTED})


@pytest.mark.parametrize("show", [markdown._cell, markdown._plain, markdown._code])
def test_the_guard_finds_a_secret_in_the_comments_own_ways_of_writing(show: Callable[[str], str]) -> None:
    with pytest.raises(LeakError):
        guard(f"| {show(PLANTED)} |", {PLANTED})


def test_the_guard_finds_a_secret_that_was_folded_or_broken_into_lines() -> None:
    words = (
        "correct horse battery staple and nine more words that make it long enough to be folded by whoever writes it"
    )
    folded = yaml.safe_dump({"note": words}, width=30)
    assert words not in folded
    encoded = base64.encodebytes(f"{'x' * 40}{PLANTED}{'y' * 60}".encode()).decode()
    for text, secret in ((folded, words), (encoded, PLANTED), ("\n".join(f"+   {char}" for char in PLANTED), PLANTED)):
        with pytest.raises(LeakError):
            guard(text, {secret})


def test_each_secret_of_a_registrys_credentials_is_one() -> None:
    auth = base64.b64encode(b"robot:hunter22").decode()
    credentials = json.dumps({"auths": {"registry.example": {"auth": auth, "username": "robot"}}})
    found = from_config(json.dumps({"a:registryCredentials": {"value": credentials, "secret": True}}))
    assert found == {credentials, auth, "hunter22"}, "neither the registry nor the user"
    mask = Mask()
    mask.secret(credentials)
    assert mask.known == found


@given(st.text(min_size=6, max_size=40), st.sampled_from(sorted(FORMS)))
@example(text="\\ýæ}\x0eQ", form="in JSON in base64")
@settings(max_examples=150, deadline=None, phases=WITHOUT_SHRINKING)
def test_the_guard_finds_any_secret_in_any_form(text: str, form: str) -> None:
    if len(text.strip()) < 6 or len(text.splitlines()) != 1 or text.strip().lower() in {"default"}:
        return
    with pytest.raises(LeakError):
        guard(f"x{FORMS[form](text.strip())}y", {text})


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
def test_the_guard_finds_a_short_secret_in_the_middle_of_base64(before: str) -> None:
    with pytest.raises(LeakError):
        guard(base64.b64encode(f"{before}update:end".encode()).decode(), {"update"})


def test_the_guard_finds_a_key_of_several_lines_with_signs_between_them() -> None:
    body = "\n".join(f"{letter * 10}{number}Q7xZ" for number, letter in enumerate("abcd"))
    key = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
    shown = "\n".join(f"+     {line}" for line in key.splitlines())
    with pytest.raises(LeakError):
        guard(shown, {key})
    with pytest.raises(LeakError):
        guard(f"one line of it: {body.splitlines()[2]}", {key})
    other = "-----BEGIN PRIVATE KEY-----\nsomebody else's\n-----END PRIVATE KEY-----"
    assert guard(other, {key}) == other, "the lines around a key are no secret"


def test_the_guard_says_nothing_of_what_it_found() -> None:
    with pytest.raises(LeakError) as caught:
        guard(f"x {PLANTED}", {PLANTED, "another-one"})
    assert "S3cret" not in str(caught.value)
    assert str(caught.value).startswith("1 known secret would")


def test_a_text_without_a_secret_passes_as_it_is() -> None:
    assert guard("nothing, true, default", {PLANTED, "true", "default", ""}) == "nothing, true, default"


# Where a value can stand in what the program says of an object.
PLACES: dict[str, tuple[str, Callable[[dict[str, Any], Any], object]]] = {
    "an annotation": ("smi-traffic-target", lambda i, v: i["metadata"].update(annotations={"note": v})),
    "a ConfigMap": ("osm-chart/configmap/preset-mesh-config", lambda i, v: i["data"].update(new=v)),
    "a variable": (
        "hello-nodeapp-pods",
        lambda i, v: i["spec"]["template"]["spec"]["containers"][0].update(env=[{"name": "PLAIN", "value": v}]),
    ),
    "an argument": (
        "dapr-chart/deployment/dapr-operator",
        lambda i, v: i["spec"]["template"]["spec"]["containers"][0]["args"].append(v),
    ),
    "a step's environment": ("verification-run", lambda i, v: i["environment"].update(OPERATION_NEW=v)),
    "a policy": ("smi-traffic-target", lambda i, v: i["spec"].update(note=v)),
    "a Secret": ("hello-redis-password", lambda i, v: i.update(stringData={"key": v})),
    "a namespace's label": ("hello-namespace", lambda i, v: i["metadata"].update(labels={"team": v})),
}
OPERATIONS = ("update", "replace", "delete", "first")


@given(
    text=st.text(alphabet=string.ascii_letters + string.digits + "-_/+=.:&<>'\"\\ |`é", min_size=9, max_size=30),
    shape=st.sampled_from(sorted(SHAPES)),
    place=st.sampled_from(sorted(PLACES)),
    operation=st.sampled_from(OPERATIONS),
    level=st.sampled_from(list(Level)),
)
@settings(max_examples=40, deadline=None, phases=WITHOUT_SHRINKING)
def test_no_planted_secret_is_in_a_review(text: str, shape: str, place: str, operation: str, level: Level) -> None:
    planted = f"Zq7{text.strip()}9Kx"
    name, put = PLACES[place]
    stream = Stream()
    value = SHAPES[shape](planted)
    if place == "a Secret":
        # What a Secret holds is text; and there everything is secret anyway.
        value = json.dumps(value)
    if operation in ("update", "replace"):
        getattr(stream, operation)(name, lambda inputs: put(inputs, value))
    else:
        put(stream.inputs(name), value)
        stream.update(name, lambda inputs: put(inputs, value))
        if operation == "delete":
            stream.delete(name)
        else:
            stream.first()
    one = review(parse(stream.lines()))
    # The structure masks it; the guard, which knows it, has nothing to refuse.
    shown = guard(rendered([one], level), {planted})
    assert guard(shown, known([one])) == shown


def test_a_secret_that_the_program_forgot_to_mark_stops_the_review() -> None:
    _, put = PLACES["an annotation"]
    stream = Stream().update("smi-traffic-target", lambda inputs: put(inputs, PLANTED))
    stream.update("hello-redis-password", lambda inputs: inputs.update(stringData={"key": PLANTED}))
    one = review(parse(stream.lines()))
    with pytest.raises(LeakError):
        guard(rendered([one], Level.EVERYTHING), known([one]))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run failed: --password=hunter2", "run failed: --password=[secret]"),
        ('refused: {"apiToken": "hunter2"}', 'refused: {"apiToken": "[secret]"}'),
        ("dial redis://app:hunter2@redis:6379", "dial redis://app:[secret]@redis:6379"),
        ("error: decrypting secret: invalid key", "error: decrypting secret: invalid key"),
        ("--token needs a value", "--token needs a value"),
    ],
)
def test_an_error_hides_what_it_quotes_of_a_secret_and_nothing_of_what_is_wrong(text: str, shown: str) -> None:
    event = {"severity": "error", "message": text}
    assert parse(Stream().event(diagnosticEvent=event).lines()).errors == (shown,)


def test_a_secret_in_an_error_or_a_warning_stops_the_review() -> None:
    for severity in ("error", "warning"):
        stream = Stream().event(diagnosticEvent={"message": f"can't use {PLANTED}", "severity": severity})
        one = review(parse(stream.lines()))
        with pytest.raises(LeakError):
            guard(rendered([one], Level.VERDICT), {PLANTED})


def test_a_preview_does_not_show_its_secrets_when_it_is_printed() -> None:
    stream = Stream().update("hello-redis-password", lambda inputs: inputs.update(stringData={"key": PLANTED}))
    preview = parse(stream.lines())
    assert PLANTED in preview.known
    assert "S3cret" not in repr(preview)


def test_the_secrets_of_a_config_are_known_at_any_depth() -> None:
    config = {
        "dapr-osm:stage": {"value": "smi", "secret": False},
        "dapr-osm:redisPassword": {"value": "hunter22", "secret": True},
        "dapr-osm:apps": {
            "value": '{"a":"deep-one"}',
            "objectValue": {"a": {"env": {"X": "deep-one"}}},
            "secret": True,
        },
    }
    assert from_config(json.dumps(config)) >= {"hunter22", "deep-one"}
    assert "smi" not in from_config(json.dumps(config))


def test_of_an_object_with_a_secret_in_it_not_every_word_is_one() -> None:
    apps = {
        "shop": {"image": "shop:1", "env": {"KEY": "hunter22"}, "pod": {"env": [{"name": "LOGS", "value": "hunter23"}]}}
    }
    config = {"dapr-osm:apps": {"value": json.dumps(apps), "objectValue": apps, "secret": True}}
    assert from_config(json.dumps(config)) == {"hunter22", "hunter23"}, "else no app's image could be shown any more"


def test_something_else_in_place_of_a_config_is_refused() -> None:
    with pytest.raises(ValueError, match="no object of settings"):
        from_config("[]")


def test_a_masked_secret_leaves_nothing_of_itself_behind_in_json_in_json() -> None:
    for planted in ('"quoted"', "back\\\\slash\\\\", PLANTED):
        text = json.dumps(json.dumps({"a": planted}, ensure_ascii=True))
        assert without(text, {planted}) == json.dumps(json.dumps({"a": "[secret]"}))


@pytest.mark.parametrize("around", ["{}\n", " {}", "{}"])
def test_base64_of_a_secret_is_masked_with_and_without_the_white_space_around_it(around: str) -> None:
    planted = around.format("hunter22")
    for text in (planted, "hunter22"):
        assert without(f"<{base64.b64encode(text.encode()).decode()}>", {planted}) == "<[secret]>"


@pytest.mark.parametrize("word", ["true", "False", "none", "NULL", "default\n"])
def test_an_everyday_word_is_no_secret_to_mask(word: str) -> None:
    assert without(f"it is {word}", {word}) == f"it is {word}"


@pytest.mark.parametrize("text", ["aHVu-dGVy", "aHVu dGVy", "aHVu,dGVy"])
def test_a_text_that_is_no_base64_is_not_read_as_some(text: str) -> None:
    assert decodings(text) == [text]
