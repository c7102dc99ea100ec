"""The stand-in's schema against the published Python SDK: whatever a program can set or read has the same shape."""

import inspect
import json
import subprocess
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ForwardRef, Union, get_args, get_origin

import pulumi
import pytest
from pulumi_command import local

pytestmark = pytest.mark.engine

PLAIN: dict[object, str] = {bool: "boolean", str: "string", int: "integer", float: "number"}
TOKEN = "command:local:Command"  # noqa: S105 - a resource's type


@pytest.fixture(scope="module")
def schema(pulumi_bin: Path, pulumi_environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the schema that the plugin gives to Pulumi's command line."""
    result = subprocess.run(  # noqa: S603 - both binaries are the lab's
        [pulumi_bin / "pulumi", "package", "get-schema", pulumi_bin / "pulumi-resource-command"],
        env=pulumi_environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    loaded: dict[str, Any] = json.loads(result.stdout)
    return loaded


@pytest.fixture(scope="module")
def resource(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the resource's part of the schema."""
    found: dict[str, Any] = schema["resources"][TOKEN]
    return found


def of_sdk(hint: Any) -> str:
    """Write an SDK's type hint the way `of_schema` writes a schema's type."""
    origin = get_origin(hint)
    if origin is pulumi.Output:
        return of_sdk(get_args(hint)[0])
    if origin in (Union, types.UnionType):
        # Optional[T] and Input[T] (T, Awaitable[T] or Output[T]) both come down to T, which stands first.
        members = get_args(hint)
        return "asset" if set(members) == {pulumi.Asset, pulumi.Archive} else of_sdk(members[0])
    if origin is Sequence:
        return f"list of {of_sdk(get_args(hint)[0])}"
    if origin is Mapping:
        key, value = get_args(hint)
        assert key is str, "Pulumi's maps have text keys"
        return f"map of {of_sdk(value)}"
    if hint is Any:
        return "any"
    if hint is pulumi.Archive:
        return "archive"
    if hint is local.Logging or hint == ForwardRef("Logging"):
        return "command:local:Logging"
    return PLAIN[hint]


def of_schema(spec: Mapping[str, Any]) -> str:
    """Write a schema's type the way `of_sdk` writes an SDK's type hint."""
    if "$ref" in spec:
        name = str(spec["$ref"]).rpartition("/")[2]
        return name if ":" in name else name.lower()
    if spec["type"] == "array":
        return f"list of {of_schema(spec['items'])}"
    if spec["type"] == "object":
        return f"map of {of_schema(spec['additionalProperties'])}"
    plain: str = spec["type"]
    return plain


def sdk_properties(of: type) -> dict[str, property]:
    """Return the properties of a generated class under the names that cross the wire."""
    found = {}
    for value in vars(of).values():
        if isinstance(value, property) and value.fget is not None:
            found[vars(value.fget)["_pulumi_name"]] = value
    assert found, f"{of.__name__} has no properties: the SDK is built otherwise than this test thinks"
    return found


def hints_of(of: type) -> dict[str, Any]:
    """Return the type hint that each property of a generated class returns."""
    return {
        name: inspect.signature(typing.cast("Any", found.fget)).return_annotation
        for name, found in sdk_properties(of).items()
    }


def test_every_input_of_the_published_sdk_has_the_same_name_and_type(resource: dict[str, Any]) -> None:
    """A missing or extra input, or one of another type, would make the lab differ from everywhere else."""
    expected = {name: of_sdk(hint) for name, hint in hints_of(local.CommandArgs).items()}
    assert {name: of_schema(spec) for name, spec in resource["inputProperties"].items()} == expected


def test_every_output_of_the_published_sdk_has_the_same_name_and_type(resource: dict[str, Any]) -> None:
    """The inputs are outputs too, in the SDK and here."""
    expected = {name: of_sdk(hint) for name, hint in hints_of(local.Command).items()}
    assert {name: of_schema(spec) for name, spec in resource["properties"].items()} == expected


def test_no_input_is_required_and_only_stdout_and_stderr_are_always_there(resource: dict[str, Any]) -> None:
    """The SDK says the same by `Optional`."""
    always = {name for name, hint in hints_of(local.Command).items() if type(None) not in get_args(get_args(hint)[0])}
    assert set(resource.get("requiredInputs", [])) == set(), "the SDK lets every input be left out"
    assert set(resource["required"]) == always == {"stdout", "stderr"}, "these are the outputs without Optional"


def test_no_input_has_a_default_in_the_schema(resource: dict[str, Any]) -> None:
    """The published SDK fills none in, so a default here would be a change that the program never made."""
    parameters = inspect.signature(local.CommandArgs.__init__).parameters.values()
    assert {parameter.default for parameter in parameters if parameter.name != "__self__"} == {None}
    assert [name for name, spec in resource["inputProperties"].items() if "default" in spec] == []


def test_only_triggers_ask_for_replacement(resource: dict[str, Any]) -> None:
    """Every other change is an update in place."""
    replacing = [name for name, spec in resource["inputProperties"].items() if spec.get("replaceOnChanges")]
    assert replacing == ["triggers"]


def test_the_logging_values_are_those_of_the_published_sdk(schema: dict[str, Any]) -> None:
    """A value that the stand-in doesn't know would silence the log."""
    values = {value["value"] for value in schema["types"]["command:local:Logging"]["enum"]}
    assert values == {member.value for member in local.Logging}


def test_the_package_says_which_version_it_follows_and_that_it_is_a_stand_in(schema: dict[str, Any]) -> None:
    """Nobody may take it for the published plugin."""
    assert schema["name"] == "command"
    assert schema["version"] == "1.2.1", "the binary must be built with -X main.version=1.2.1"
    assert "stand-in" in schema["description"]
    assert list(schema["resources"]) == [TOKEN], "the stand-in serves this one resource"
