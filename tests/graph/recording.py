"""Running a Pulumi program without an engine, and keeping all that it registered.

:func:`record` runs a program as Pulumi's language host does, in a context of its own, so that nothing is left of one
run in the next. :class:`Mocks` answers for the providers, :class:`Monitor` writes down what was asked of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from unittest import mock

import grpc  # type: ignore[import-untyped]
import pulumi
from google.protobuf import empty_pb2, json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime import resource as pulumi_resource
from pulumi.runtime import rpc, set_all_config
from pulumi.runtime import settings as pulumi_settings
from pulumi.runtime.proto import engine_pb2, resource_pb2
from pulumi.runtime.stack import run_in_stack

PROJECT: Final = "dapr-osm"
STACK: Final = "test"

SEVERITIES: Final = {
    engine_pb2.DEBUG: "debug",
    engine_pb2.INFO: "info",
    engine_pb2.WARNING: "warning",
    engine_pb2.ERROR: "error",
}

Values = dict[str, Any]
Printed = str | Callable[[Values], str]


@dataclass(frozen=True)
class Secret:
    """A value that reached the engine marked secret."""

    value: Any


class Unknown:
    """A value that a preview can't know yet."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


def decoded(wire: Any) -> Any:
    """A value as the engine receives it, with secrets and unknowns as objects."""
    if isinstance(wire, dict):
        if wire.get(rpc._special_sig_key) == rpc._special_secret_sig:
            return Secret(decoded(wire["value"]))
        return {key: decoded(value) for key, value in wire.items()}
    if isinstance(wire, list):
        return [decoded(value) for value in wire]
    if wire == rpc.UNKNOWN:
        return UNKNOWN
    # The wire knows floating point numbers only.
    return int(wire) if isinstance(wire, float) and wire.is_integer() else wire


def encoded(value: Any) -> Any:
    """The opposite of :func:`decoded`."""
    if isinstance(value, Secret):
        return {rpc._special_sig_key: rpc._special_secret_sig, "value": encoded(value.value)}
    if isinstance(value, Mapping):
        return {key: encoded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [encoded(inner) for inner in value]
    return rpc.UNKNOWN if value is UNKNOWN else value


def _from_struct(struct: struct_pb2.Struct) -> Values:
    result: Values = decoded(json_format.MessageToDict(struct))
    return result


def _to_struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(encoded(values))
    return struct


def revealed(value: Any) -> Any:
    """A value without its secrecy."""
    if isinstance(value, Secret):
        return revealed(value.value)
    if isinstance(value, dict):
        return {key: revealed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [revealed(inner) for inner in value]
    return value


def leaves(value: Any, secret: bool = False) -> Iterator[tuple[Any, bool]]:
    """Every scalar inside a value (mappings' keys too), and whether it is marked secret."""
    if isinstance(value, Secret):
        yield from leaves(value.value, secret=True)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key, secret
            yield from leaves(inner, secret)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, secret)
    else:
        yield value, secret


@dataclass(kw_only=True)
class Recorded:
    """One registration.

    Attributes:
        urn: The resource's URN.
        type: Its type token.
        name: Its name.
        parent: Its parent's URN, or "".
        custom: Whether a provider manages it; components' are not custom.
        read: Whether it was only read (``X.get``).
        read_id: What it was read by.
        inputs: What was declared, secrets as :class:`Secret`.
        dependencies: URNs of all that it was told to wait for, components expanded to their children.
        provider: Name of its provider, or "" for the default one.
        delete_before_replace: Whether it asks for that.
        retain_on_delete: Whether what it stands for stays when it goes.
        protect: Whether Pulumi refuses to delete it.
        timeouts: How long it may take to be created and updated; "" for Pulumi's own bound.
        ignore_changes: Which changes of its inputs it asks to be left alone.
        replace_on_changes: Which of its inputs it asks to be replaced for.
        additional_secret_outputs: Which of its outputs are secret, whatever its inputs were.
        outputs: What a component registered as outputs; None where it registered none.
    """

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    read: bool
    read_id: Any
    inputs: Values
    dependencies: frozenset[str]
    provider: str
    delete_before_replace: bool = False
    retain_on_delete: bool = False
    protect: bool = False
    timeouts: tuple[str, str] = ("", "")
    ignore_changes: frozenset[str] = frozenset()
    replace_on_changes: frozenset[str] = frozenset()
    additional_secret_outputs: frozenset[str]
    outputs: Values | None = None

    @property
    def object_name(self) -> Any:
        """Name of the Kubernetes object; None where it has none or Pulumi chooses it."""
        return self.inputs.get("metadata", {}).get("name")

    @property
    def is_kubernetes(self) -> bool:
        """Whether it is an object on the cluster, or a patch of one."""
        return self.type.startswith("kubernetes:")

    @property
    def plain(self) -> Values:
        """The inputs with secrets revealed."""
        result: Values = revealed(self.inputs)
        return result


class RefusedError(Exception):
    """What a provider says no to an invoke with."""


class _RpcError(grpc.RpcError):  # type: ignore[misc]
    """The same, as it comes over the wire."""

    def code(self) -> grpc.StatusCode:
        """The status."""
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        """The text."""
        return str(self)


class Mocks(pulumi_mocks.Mocks):
    """Answers like a provider whose every create succeeds at once.

    Attributes:
        stdout: What a Command prints, by its ``create``, perhaps as a function of its standard input.
        invokes: What an invoke returns, by its token, as a function of its arguments.
        suffix: What names that are left to Pulumi end in.
        generation: How often each object was changed, its creation included.
        invoked: Every invoke: token, arguments, provider.
        created: What was created, in the order in which it was done.
        slow: What takes a while to be created.
    """

    slow: frozenset[str] = frozenset()

    def __init__(
        self,
        stdout: Mapping[str, Printed],
        invokes: Mapping[str, Callable[[Values], Values]] | None = None,
        suffix: str = "1a2b3c4d",
        generation: Mapping[str, int] | None = None,
    ) -> None:
        self.stdout = stdout
        self.invokes = invokes or {}
        self.suffix = suffix
        self.generation = generation or {}
        self.invoked: list[tuple[str, Values, str]] = []
        self.created: list[str] = []

    def call(self, args: pulumi_mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        assert args.token in self.invokes, f"the program calls {args.token}, which these mocks know nothing of"
        self.invoked.append((args.token, dict(args.args), provider_name(args.provider or "")))
        return self.invokes[args.token](dict(args.args)), []

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        state = dict(args.inputs)
        if args.typ.startswith("kubernetes:"):
            state["metadata"] = {
                "name": f"{args.name}-{self.suffix}",
                "namespace": "default",
                "uid": f"uid-of-{args.name}",
                "generation": self.generation.get(args.name, 1),
                **state.get("metadata", {}),
            }
        elif args.typ == "command:local:Command":
            printed = self.stdout[state["create"]]
            state["stdout"] = printed if isinstance(printed, str) else printed(json.loads(revealed(state["stdin"])))
        if args.name in self.slow:
            time.sleep(0.2)
        self.created.append(args.name)
        return f"{args.name}-id", state


def provider_name(reference: str) -> str:
    """Name of the provider that a reference (``<urn>::<id>``) means; "" for the default one."""
    return reference.rpartition("::")[0].rpartition("::")[2]


class Monitor(pulumi_mocks.MockMonitor):
    """Writes every registration down and lets :class:`Mocks` answer it."""

    def __init__(self, mocks: Mocks, preview: bool) -> None:
        super().__init__(mocks)
        self.preview = preview
        self.registrations: list[Recorded] = []
        self.stack_outputs: Values = {}

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        # The base class asks the running program for its stack and project, which registrations, on threads of
        # their own, can't see.
        types = f"{parent.split('::')[2]}${type_}" if parent and "pulumi:pulumi:Stack" not in parent else type_
        return f"urn:pulumi:{STACK}::{PROJECT}::{types}::{name}"

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        recorded = self._note(request, urn, request.object, custom=request.custom, read_id=None)
        recorded.delete_before_replace = request.deleteBeforeReplace
        recorded.retain_on_delete = request.retainOnDelete
        recorded.protect = request.protect
        recorded.timeouts = (request.customTimeouts.create, request.customTimeouts.update)
        recorded.ignore_changes = frozenset(request.ignoreChanges)
        recorded.replace_on_changes = frozenset(request.replaceOnChanges)
        if not request.custom:
            return resource_pb2.RegisterResourceResponse(urn=urn, object=struct_pb2.Struct())
        id_, state = self._answer(recorded)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=id_, object=_to_struct(state))

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> resource_pb2.ReadResourceResponse:
        urn = self.make_urn(request.parent, request.type, request.name)
        recorded = self._note(request, urn, request.properties, custom=True, read_id=decoded(request.id))
        if recorded.read_id is UNKNOWN:
            return resource_pb2.ReadResourceResponse(urn=urn, properties=struct_pb2.Struct())
        _, state = self._answer(recorded)
        return resource_pb2.ReadResourceResponse(urn=urn, properties=_to_struct(state))

    def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> empty_pb2.Empty:
        outputs = _from_struct(request.outputs)
        for recorded in self.registrations:
            if recorded.urn == request.urn:
                recorded.outputs = outputs
                return empty_pb2.Empty()
        self.stack_outputs = outputs
        return empty_pb2.Empty()

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeResponse:
        # The base class makes an event loop for the thread that it is called on, and leaves it open.
        args = pulumi_mocks.MockCallArgs(token=request.tok, args=_from_struct(request.args), provider=request.provider)
        try:
            result, _ = self.mocks.call(args)
        except RefusedError as error:
            raise _RpcError(str(error)) from error
        return resource_pb2.ResourceInvokeResponse(**{"return": _to_struct(result)})

    def _note(
        self,
        request: resource_pb2.RegisterResourceRequest | resource_pb2.ReadResourceRequest,
        urn: str,
        inputs: struct_pb2.Struct,
        *,
        custom: bool,
        read_id: Any,
    ) -> Recorded:
        recorded = Recorded(
            urn=urn,
            type=request.type,
            name=request.name,
            parent=request.parent,
            custom=custom,
            read=read_id is not None,
            read_id=read_id,
            inputs=_from_struct(inputs),
            dependencies=frozenset(request.dependencies),
            provider=provider_name(request.provider),
            additional_secret_outputs=frozenset(request.additionalSecretOutputs),
        )
        self.registrations.append(recorded)
        return recorded

    def _answer(self, recorded: Recorded) -> tuple[str, Values]:
        provider = recorded.type.startswith("pulumi:providers:")
        if self.preview and not recorded.read and not provider:
            # As in a first preview: nothing has an id yet, and nothing is known but what was declared.
            return "", recorded.inputs
        args = pulumi_mocks.MockResourceArgs(
            typ=recorded.type, name=recorded.name, inputs=recorded.inputs, resource_id=recorded.read_id
        )
        id_, state = self.mocks.new_resource(args)
        return id_ or "", state


class Engine:
    """Keeps what the program logs."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []

    def Log(self, request: engine_pb2.LogRequest) -> None:
        self.messages.append((SEVERITIES[request.severity], request.message))


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What one run of a program registered. Tests share it, so none may change it.

    Attributes:
        resources: Everything that a provider manages, by name.
        components: Every component, by name.
        stack_outputs: The stack's outputs.
        messages: What was logged, as level and text.
        invoked: Every invoke: token, arguments, provider's name.
    """

    resources: Mapping[str, Recorded]
    components: Mapping[str, Recorded]
    stack_outputs: Values
    messages: tuple[tuple[str, str], ...]
    invoked: tuple[tuple[str, Values, str], ...] = ()

    def __getitem__(self, name: str) -> Recorded:
        return self.resources[name]

    def __contains__(self, name: str) -> bool:
        return name in self.resources

    @cached_property
    def everything(self) -> list[Recorded]:
        """Components, then all else."""
        return [*self.components.values(), *self.resources.values()]

    @property
    def objects(self) -> list[Recorded]:
        """Every Kubernetes object and patch."""
        return [one for one in self.resources.values() if one.is_kubernetes]

    def parent_of(self, recorded: Recorded) -> str:
        """Name of a resource's parent; "" for the stack itself."""
        return self._by_urn[recorded.parent].name if recorded.parent in self._by_urn else ""

    def ancestors(self, recorded: Recorded) -> list[str]:
        """Names of a resource's parent, that one's parent and so on; without the stack."""
        found = []
        while (parent := self._by_urn.get(recorded.parent)) is not None:
            found.append(parent.name)
            recorded = parent
        return found

    def within(self, component: str) -> list[Recorded]:
        """Everything that a provider manages below a component, however deep."""
        return [one for one in self.resources.values() if component in self.ancestors(one)]

    def charted(self, component: str) -> list[Recorded]:
        """Every Kubernetes object below a component; the steps that wait for its pods are left out."""
        return [one for one in self.within(component) if one.is_kubernetes]

    def direct(self, name: str) -> frozenset[str]:
        """Names of what a resource waits for itself."""
        return self._direct[name]

    def before(self, name: str) -> frozenset[str]:
        """Names of all that must be there before a resource, however far back.

        What a component waits for, its children wait for too: they are registered after it, and deleted before it.
        """
        if name not in self._before:
            found: set[str] = set()
            waiting = [name]
            while waiting:
                new = self._waits[waiting.pop()] - found
                found |= new
                waiting += new
            self._before[name] = frozenset(found)
        return self._before[name]

    def of_type(self, token: str) -> list[Recorded]:
        """All resources of one type."""
        return [recorded for recorded in self.resources.values() if recorded.type == token]

    def warnings(self) -> list[str]:
        """What was logged as a warning."""
        return [text for level, text in self.messages if level == "warning"]

    @cached_property
    def _by_urn(self) -> dict[str, Recorded]:
        return {recorded.urn: recorded for recorded in self.everything}

    @cached_property
    def _direct(self) -> dict[str, frozenset[str]]:
        return {
            one.name: frozenset(self._by_urn[urn].name for urn in one.dependencies) for one in self.resources.values()
        }

    @cached_property
    def _waits(self) -> dict[str, frozenset[str]]:
        by_component = {
            component.name: frozenset(self._by_urn[urn].name for urn in component.dependencies)
            for component in self.components.values()
        }
        return {
            one.name: self._direct[one.name].union(*(by_component.get(name, ()) for name in self.ancestors(one)))
            for one in self.resources.values()
        }

    @cached_property
    def _before(self) -> dict[str, frozenset[str]]:
        return {}


class NothingRegisteredError(AssertionError):
    """A program ended without a single resource, so a test of it would prove nothing."""


@contextlib.contextmanager
def _in_a_hurry() -> Iterator[None]:
    """Leave out what takes a quarter of a run and shows in no graph: each resource's lines of the program."""
    with (
        mock.patch.object(pulumi_resource, "_get_stack_trace", return_value=None),
        mock.patch.object(pulumi_resource, "_get_source_position", return_value=None),
    ):
        yield


def record(
    program: Callable[[], Any],
    *,
    mocks: Mocks,
    config: Mapping[str, str] | None = None,
    secret_keys: tuple[str, ...] = (),
    preview: bool = False,
    into: list[Recorded] | None = None,
) -> Graph:
    """Run a program and return its graph.

    Args:
        program: What would stand in ``__main__.py``.
        mocks: Who answers for the providers.
        config: The stack's config, keys with their namespace.
        secret_keys: Which of them are encrypted.
        preview: Whether nothing exists yet and ids and outputs are unknown.
        into: Where registrations go as well, for a caller who expects the program to fail.

    Raises:
        AssertionError: An input of a finished run is not a plain value, so some ``apply`` never ran.
    """
    monitor = Monitor(mocks, preview)
    if into is not None:
        monitor.registrations = into
    engine = Engine()

    def run() -> None:
        pulumi_settings.ROOT.set(None)
        set_all_config(dict(config or {}), list(secret_keys))
        settings = pulumi_settings.Settings(
            project=PROJECT, stack=STACK, monitor=monitor, engine=engine, dry_run=preview, organization="organization"
        )
        pulumi_settings.configure(settings)

        def once() -> None:
            program()

        asyncio.run(run_in_stack(once))

    with _in_a_hurry():
        contextvars.copy_context().run(run)
    if not monitor.registrations:
        raise NothingRegisteredError("the program registered nothing")
    urns = [recorded.urn for recorded in monitor.registrations]
    assert len(urns) == len(set(urns)), f"used twice: {sorted(urn for urn in urns if urns.count(urn) > 1)}"
    names = [recorded.name for recorded in monitor.registrations if recorded.custom]
    assert len(names) == len(set(names)), f"used twice: {sorted(name for name in names if names.count(name) > 1)}"
    graph = Graph(
        resources={recorded.name: recorded for recorded in monitor.registrations if recorded.custom},
        components={recorded.name: recorded for recorded in monitor.registrations if not recorded.custom},
        stack_outputs=monitor.stack_outputs,
        messages=tuple(engine.messages),
        invoked=tuple(mocks.invoked),
    )
    if not preview:
        assert_plain(graph)
    return graph


def assert_plain(graph: Graph) -> None:
    """Fail where an input or output is not a plain value: then an ``apply`` did not run, and a test proves nothing."""
    for recorded in graph.everything:
        for value, _ in leaves([recorded.inputs, recorded.outputs]):
            assert value is not UNKNOWN, f"{recorded.name} holds an unknown: some apply never ran"
            assert not isinstance(value, pulumi.Output), f"{recorded.name} holds an Output"
            assert value is None or isinstance(value, str | bool | int | float), f"{recorded.name} holds {value!r}"
    for value, _ in leaves(graph.stack_outputs):
        assert value is not UNKNOWN, "a stack output is unknown: some apply never ran"
