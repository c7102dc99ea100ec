"""The tables in docs/, made of the results."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from lab import parts
from model.route import Route
from model.stage import Stage
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION, OSM_RELEASE

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
STEPS: Final = {
    **{stage.value: f"`{stage.value}`" for stage in Stage},
    "minimal, egress on": "`smi`, `exclusions: minimal`",
    "minimal, egress off": "and `enableEgress: false`",
}
WAYS: Final = {
    Route.DNS_NAME: "DNS name, by itself",
    Route.NAME_FORMAT: "DNS name, by `nameformat`",
    Route.ADDRESS: "address, as TCP",
}
# What those rows were measured on that don't say it: they are of November 25th, 2026.
FIRST: Final = "OSM 1.2.4, Envoy 1.36.2, Kubernetes 1.34.4"
HEAD: Final = """\
# What was measured of Dapr's releases in the mesh

Made by `make compat` on the lab, on two cores; not written by hand. A run measures the rows that are missing;
`make compat ARGS="--again 'release {default}'"` that one anew as well. Seconds are of one run
each, with other work beside it.

"""


def where() -> str:
    """What a row that is measured now is measured on."""
    envoy, kubernetes = parts.part("envoy").version, parts.part("kubernetes").version
    return f"OSM {OSM_RELEASE.version}, Envoy {envoy}, Kubernetes {kubernetes}"


def write(results: dict[str, Any], page: Path = PAGE) -> None:
    """Write the page from whatever has been measured."""
    page.write_text(content(results))


def content(results: dict[str, Any]) -> str:
    """The page: of releases that are offered, and of what the exclusions of an earlier default did."""
    head = HEAD.format(default=DEFAULT_DAPR_VERSION) + _measured(results)
    return "\n".join(part for part in (head, _releases(results), _upgrades(results), _exclusions(results)) if part)


def _measured(results: dict[str, Any]) -> str:
    """On what and when: one line for the rows of each cluster."""
    rows: dict[str, list[str]] = {}
    for name, result in results.items():
        rows.setdefault(result.get("on", FIRST), []).append(f"{name} ({result['measured'][:10]})")
    return "".join(f"- On {on}: {', '.join(names)}\n" for on, names in rows.items())


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _releases(results: dict[str, Any]) -> str:
    rows = []
    for version, release in DAPR_RELEASES.items():
        measured = results.get(f"release {version}", {}).get("rows")
        if measured is None:
            continue
        name = f"**{version}** (default)" if version == DEFAULT_DAPR_VERSION else version
        meshed = measured.get("permissive", {}).get("containers", [])
        destroy = measured["destroy"]
        left = "nothing left" if destroy["left"] == 0 else f"{destroy['left']} resources left"
        rows.append(
            [
                name,
                WAYS[release.route],
                ", ".join(name for name in meshed if name != "node"),
                *(_stage(measured.get(step)) for step in STEPS),
                f"{destroy['seconds']} s, {left}",
            ]
        )
    if not rows:
        return ""
    head = ["Dapr", "way", "sidecars in the mesh", *STEPS.values(), "destroy"]
    missing = [version for version in DAPR_RELEASES if f"release {version}" not in results]
    return (
        "## Releases, stage by stage\n\nEach stage is one `up`, verified by the program; then kubectl counts the "
        "orders persisted in 8 s."
        + (f" Not measured yet: {', '.join(missing)}." if missing else "")
        + "\n\n"
        + _table(head, rows)
    )


def _stage(row: dict[str, Any] | None) -> str:
    if row is None:
        return "not reached"
    if "failed" in row:
        return f"fails: {row['failed']}"
    count, seconds = row["persistedInSeconds"]
    denied = row["verdict"].startswith("no order arrived")
    return f"{'denied' if denied else 'flows'}, {count} in {seconds} s; {row['seconds']} s"


def _upgrades(results: dict[str, Any]) -> str:
    measured = results.get("upgrades", {}).get("rows")
    if not measured:
        return ""
    rows = [
        [move, f"fails: {row['failed']}", "", ""]
        if "failed" in row
        else [move, f"{row['seconds']} s", f"{row['previewed']}", f"{row['gap']} s"]
        for move, row in measured.items()
    ]
    return (
        "## Upgrades of one running stack, at stage `smi`\n\nOne `up` each, one after the other, verified. Upstream "
        "tests no jump over minors; these were seen here.\n\n"
        + _table(["from -> to", "`up`", "changes in its preview", "longest time without an order persisted"], rows)
    )


def _exclusions(results: dict[str, Any]) -> str:
    parts = []
    for name, result in results.items():
        if not name.startswith("exclusions "):
            continue
        cases: dict[str, dict[str, Any]] = {}
        for case, row in result["rows"].items():
            missing, _, egress = case.rpartition(", egress ")
            cases.setdefault(missing, {})[egress] = row
        _, version, stage = name.split()
        rows = [[missing, _effect(pair["on"]), _effect(pair["off"])] for missing, pair in cases.items()]
        parts.append(
            f"### Dapr {version}, stage `{stage}`\n\n"
            + _table(["missing", "`enableEgress: true` (OSM's default)", "`enableEgress: false`"], rows)
        )
    if not parts:
        return ""
    return (
        "## What a missing exclusion does\n\nBoth apps' pods were made anew without it. Seconds are from the new pods' "
        "creation until orders were persisted (30 at most).\n\n" + "\n".join(parts)
    )


def _effect(row: dict[str, Any]) -> str:
    count, _ = row["persistedInSeconds"]
    unready = [
        f"{app} {state.get('ready', 'no pod')}"
        for app, state in row["pods"].items()
        if len(set(str(state.get("ready", "0/1")).split("/"))) > 1
    ]
    restarts = sum(state.get("restarts", 0) for state in row["pods"].values())
    said = next((state["complaints"][-1] for state in row["pods"].values() if state.get("complaints")), "")
    flows = row["secondsToOrders"] is not None and count > 0
    head = f"orders flow after {row['secondsToOrders']} s" if flows else "**no orders**"
    more = [f"ready: {', '.join(unready)}"] if unready else []
    more += [f"{restarts} restarts"] if restarts else []
    if said and not flows:
        more.append(f'daprd: "{said.replace("|", "/")[:110]}"')
    return "; ".join([head, *more])
