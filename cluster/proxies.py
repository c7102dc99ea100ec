"""Which proxy leads to a server, by the rules of Go's programs: kubectl's, the provider's and Helm's.

Python's own rules differ: they send loopback through the proxy, prefer the lower-case names and know no networks.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def proxy_for(server: str, environ: Mapping[str, str]) -> str | None:
    """The URL of the proxy that leads to a server, or None for the direct way.

    Source: golang.org/x/net/http/httpproxy.

    Args:
        server: The server's URL.
        environ: The environment, with HTTPS_PROXY, HTTP_PROXY and NO_PROXY, or those in lower case.
    """
    url = urlsplit(server)
    names = {"https": "HTTPS_PROXY", "http": "HTTP_PROXY"}
    proxy = _either(environ, names[url.scheme]) if url.scheme in names else ""
    if not proxy or not url.hostname:
        return None
    port = str(url.port or (443 if url.scheme == "https" else 80))
    if not _leaves(url.hostname.lower(), port, _either(environ, "NO_PROXY")):
        return None
    return with_scheme(proxy)


def with_scheme(proxy: str) -> str:
    """A proxy's URL; one without scheme speaks HTTP."""
    return proxy if "://" in proxy else f"http://{proxy}"


def _either(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.lower()) or ""


def _leaves(host: str, port: str, exceptions: str) -> bool:
    """Whether a proxy is to be used for this host."""
    address = _address(host)
    if host == "localhost" or (address is not None and _plain(address).is_loopback):
        return False
    return not any(_excepts(entry.strip().lower(), host, port, address) for entry in exceptions.split(","))


def _excepts(entry: str, host: str, port: str, address: Address | None) -> bool:
    """Whether an entry of NO_PROXY names this host."""
    if entry in ("", "*"):
        return entry == "*"
    if "/" in entry:
        try:
            network = ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
        # Python also takes a mask (10.0.0.0/255.0.0.0) for a network.
        return entry.rpartition("/")[2].isdigit() and address is not None and _plain(address) in network
    name, only = _split(entry)
    if only not in ("", port):
        return False
    named = _address(name)
    if named is not None:
        return address is not None and _plain(address) == _plain(named)
    if name.startswith("*."):
        name = name[1:]
    return bool(name) and (host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}"))


def _split(entry: str) -> tuple[str, str]:
    """Host and port of an entry; the port may be missing, and an IPv6 address has brackets only where it is not."""
    if entry.startswith("[") and "]:" in entry:
        name, _, port = entry[1:].partition("]:")
        return name, port
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name, port
    return entry, ""


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _plain(address: Address) -> Address:
    """An IPv4 address that is written as IPv6 is an IPv4 address, as for Go."""
    return getattr(address, "ipv4_mapped", None) or address
