"""The Kubernetes provider, asked outside of Pulumi's engine: it renders charts as it does for the program."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import grpc  # type: ignore[import-untyped]
from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from cluster.errors import OperationError
from settings import ROOT

NAME: Final = "pulumi-resource-kubernetes"
TEMPLATE: Final = "kubernetes:helm:template"
# Seconds for a chart, which may have to be fetched.
SECONDS: Final = 60
LARGEST: Final = 1 << 28


def binary(environ: Mapping[str, str]) -> Path:
    """Where Pulumi keeps the provider, in the version that the program uses.

    Raises:
        OperationError: It is not there.
    """
    wanted = version("pulumi-kubernetes")
    home = Path(environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    folder = home / "plugins" / f"resource-kubernetes-v{wanted}"
    for name in (NAME, f"{NAME}.exe"):
        if (folder / name).is_file():
            return folder / name
    raise OperationError(
        f"Pulumi's Kubernetes provider {wanted} is not in {folder}, so the charts were not rendered. Run "
        "`pulumi install`."
    )


@contextlib.contextmanager
def rendering(environ: Mapping[str, str], context: str | None) -> Iterator[Callable[[str], Any]]:
    """The provider on a cluster, for a while; what is given asks it for a chart.

    Args:
        environ: The environment, with KUBECONFIG.
        context: The context, or None for the current one.

    Raises:
        OperationError: It is not there, or does not start.
    """
    program = binary(environ)
    try:
        process = subprocess.Popen(  # noqa: S603 - Pulumi's own plugin
            [program, "127.0.0.1:1"],  # nobody listens to its log
            cwd=ROOT,
            env=dict(environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except OSError as error:
        raise OperationError(
            f"Pulumi's Kubernetes provider {program} can't be run: {error.strerror}. Run `pulumi install`."
        ) from error
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        port = process.stdout.readline().strip()
        if not port.isdecimal():
            raise OperationError("Pulumi's Kubernetes provider does not start, so the charts were not rendered")
        # No proxy leads to this machine, as for Go.
        options = [("grpc.max_receive_message_length", LARGEST), ("grpc.enable_http_proxy", 0)]
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            provider = provider_pb2_grpc.ResourceProviderStub(channel)
            given = {"context": context} if context else {}
            try:
                provider.Configure(
                    provider_pb2.ConfigureRequest(
                        variables={f"kubernetes:config:{key}": value for key, value in given.items()},
                        args=_struct(given),
                        acceptSecrets=True,
                    ),
                    timeout=SECONDS,
                )
            except grpc.RpcError as error:
                raise OperationError(f"Pulumi's Kubernetes provider says: {error.details()}") from error
            yield lambda options: _asked(provider, options)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _asked(provider: provider_pb2_grpc.ResourceProviderStub, options: str) -> Any:
    request = provider_pb2.InvokeRequest(tok=TEMPLATE, args=_struct({"jsonOpts": options}))
    try:
        answer = json_format.MessageToDict(provider.Invoke(request, timeout=SECONDS))
    except grpc.RpcError as error:
        raise OperationError(str(error.details())) from error
    if failures := answer.get("failures"):
        raise OperationError("; ".join(str(failure.get("reason")) for failure in failures))
    return (answer.get("return") or {}).get("result")


def _struct(values: Mapping[str, Any]) -> Any:
    struct = struct_pb2.Struct()
    struct.update(values)
    return struct
