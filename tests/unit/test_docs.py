"""The pages, held against what they speak of: links, commands, files, keys, versions, and what a run has written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import cli, parts
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION, KUBERNETES, OSM_RELEASE
from preflight.checks import CHECKS
from settings import KEYS, PROJECT, ROOT
from tests import last_run
from tests.causes import __main__ as causes
from tests.compat import __main__ as compat
from tests.compat import tables
from tests.faults import __main__ as faults

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "lab" / "README.md"])
# What was so, too.
TODAY = [page for page in PAGES if page.name != "CHANGELOG.md"]
FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
# What stands for a reader's own, or for files that are made by a run.
STANDS_FOR = {"policy/STACK.json", "Pulumi.STACK.yaml", "PulumiPolicy.yaml", "config.json", "post-mortems/"}
# Beside the page and the project, where what a page is about has its files.
BESIDE = {"docs/ci.md": ".github/workflows", "lab/README.md": "lab"}


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def code(page: Path) -> Iterator[str]:
    """Every span of code and every line of an example."""
    for fence in FENCE.finditer(page.read_text()):
        yield from fence[0].splitlines()[1:-1]
    yield from re.findall(r"`([^`\n]+)`", prose(page))


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    texts = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text).replace(" ", "-") for text in texts}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_inside_the_project_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_heading_stands_alone(page: Path) -> None:
    assert not re.search(r"[^\n]\n#+ ", prose(page)), "it would be taken for text"


@pytest.mark.parametrize("page", TODAY, ids=named)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in code(page):
        for given in re.findall(r"(?:^|\(|&& )make ((?:[a-z][a-z0-9-]* ?)+)", line.partition(" #")[0]):
            assert set(given.split()) <= targets, line


def sources(module: str) -> str:
    """The program text of a module, or of a package and of what reads the command line for it."""
    path = ROOT.joinpath(*module.split("."))
    files = [path.with_suffix(".py")] if not path.is_dir() else [*path.glob("*.py"), ROOT / "status" / "arguments.py"]
    return "".join(file.read_text() for file in files)


@pytest.mark.parametrize("page", TODAY, ids=named)
def test_every_command_of_the_project_that_is_named_exists_with_its_options(page: Path) -> None:
    for line in code(page):
        for module, rest in re.findall(r"python -m ([\w.]+)([^|;]*)", line.partition(" #")[0]):
            path = ROOT.joinpath(*module.split("."))
            assert (path / "__main__.py").exists() or path.with_suffix(".py").exists(), line
            before_pulumi = rest.partition(" -- ")[0]
            for option in re.findall(r"--[a-z][a-z-]*", before_pulumi):
                assert f'"{option}"' in sources(module), line
            if module == "lab":
                assert set(rest.split()[:1]) <= {*cli.COMMANDS, "pulumi"}, line


@pytest.mark.parametrize("page", TODAY, ids=named)
def test_a_command_in_an_example_can_be_typed_as_it_stands(page: Path) -> None:
    for fence in FENCE.finditer(page.read_text()):
        for found in re.finditer(r"(\S*)python3? -m (\w+)", fence[0]):
            assert found[1] == ".venv/bin/", f"{found[0]} needs the project's packages"


@pytest.mark.parametrize("page", TODAY, ids=named)
def test_every_file_that_is_named_exists(page: Path) -> None:
    around = [ROOT, page.parent, ROOT / BESIDE.get(named(page), ".")]
    for span in re.findall(r"`([^`\n]+)`", prose(page)):
        if re.fullmatch(r"[\w./-]+\.(?:py|yaml|yml|json|md|txt|toml)|[\w.-][\w./-]*/", span):
            assert span in STANDS_FOR or any((folder / span).exists() for folder in around), span


@pytest.mark.parametrize("page", TODAY, ids=named)
def test_every_setting_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    given = re.findall(r"config set (?:--\S+ )*([\w:-]+)", text)
    given += re.findall(rf"\b{PROJECT}:(\w+)", text)
    names = {name.removeprefix(f"{PROJECT}:") for name in given}
    assert names <= set(KEYS), names - set(KEYS)


def test_the_doctors_page_has_every_check_and_their_number() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text()
    rows = re.findall(r"^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \|", page, re.MULTILINE)
    told = [name for row in rows for name in re.findall(r"`([a-z-]+)`", row)]
    levels = {"error", "warning", "note"}
    assert sorted(set(told) - levels) == sorted(check.name for check in CHECKS)
    # Three more are asked before: the config, whether the cluster is reached, and the charts.
    assert set(re.findall(r"^(\d+) checks:", page, re.MULTILINE)) == {str(len(CHECKS) + 3)}


def test_the_page_about_daprs_releases_has_each_and_says_the_default() -> None:
    page = (ROOT / "docs" / "dapr-releases.md").read_text()
    rows = re.findall(r"^\| (`\d.+?) \|", page, re.MULTILINE)
    assert sorted(re.findall(r"`([\d.]+)`", " ".join(rows))) == sorted(DAPR_RELEASES)
    assert [row for row in rows if "(default)" in row] == [f"`{DEFAULT_DAPR_VERSION}` (default)"]


def test_the_labs_page_has_the_versions_of_its_parts() -> None:
    (table,) = re.findall(
        r"^\| part \| version \| from \|\n(?:\|.*\n)+", (ROOT / "lab" / "README.md").read_text(), re.M
    )
    for part in parts.parts():
        if part.name not in ("rootfs", "pause") and not part.name.startswith("chart-"):
            assert re.search(rf"[ |]{re.escape(part.version.lstrip('v'))}[ |,;']", table), f"{part.name} {part.version}"


def test_pages_that_a_run_writes_are_as_it_would_write_them() -> None:
    measured = json.loads(compat.RESULTS.read_text())
    assert tables.PAGE.read_text() == tables.content(compat.shown(measured)), "python -m tests.compat --tables"
    for page in (faults, causes):
        assert page.TABLE.read_text() == page.table(json.loads(page.RESULTS.read_text())), "--table writes it anew"
    assert last_run.TABLE.read_text() == last_run.table(json.loads(last_run.NOTES.read_text()))


def test_readers_are_told_the_newest_kubernetes_that_was_tried_and_the_last_osm() -> None:
    page = (ROOT / "README.md").read_text()
    assert f"tried up to {'.'.join(map(str, KUBERNETES.newest))}," in page
    assert f"**OSM is archived.** {OSM_RELEASE.version} is its last release" in page
