"""The one comment of a pull request or a merge request: made, or found again, and written anew or read."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import urllib3

from review.markdown import MARKER
from review.plans import plans

TIMEOUT: Final = urllib3.Timeout(connect=10, read=30)
# No job waits longer because an API asks it to.
MOST_SECONDS: Final = 120


class _Retries(urllib3.Retry):
    # GitHub asks with either of them to wait. Source: docs.github.com, "Rate limits for the REST API".
    RETRY_AFTER_STATUS_CODES = frozenset({403, 429})


# What changes nothing is asked again by itself, and so is what changes it to the same.
AGAIN: Final = _Retries(
    total=3,
    allowed_methods={"GET", "PATCH", "PUT"},
    status_forcelist={429, 502, 503, 504},
    backoff_factor=0.5,
    raise_on_status=False,
    redirect=0,
    retry_after_max=MOST_SECONDS,
)
# A new comment only where it was refused for now: else it may have been written.
ONCE: Final = _Retries(
    total=3,
    read=0,
    other=0,
    allowed_methods={"POST"},
    status_forcelist={429},
    backoff_factor=0.5,
    raise_on_status=False,
    redirect=0,
    retry_after_max=MOST_SECONDS,
)
PAGE_SIZE: Final = 100
# A request that has more comments than that has another problem.
MOST_PAGES: Final = 500


class PostError(RuntimeError):
    """The comment could not be written. The message has no token in it."""


@dataclass(frozen=True, kw_only=True)
class Comment:
    """A comment that is there.

    Attributes:
        id: Its id.
        body: Its text.
        author: Who wrote it.
    """

    id: int
    body: str
    author: str


class Forge(Protocol):
    """Where the comment goes."""

    def comments(self) -> Iterator[Comment]:
        """All comments, page by page."""

    def create(self, body: str) -> None:
        """Write a new one."""

    def update(self, comment: int, body: str) -> bool:
        """Write one anew; false where it is gone."""

    def merged(self, commit: str) -> list[Forge]:
        """The requests that have brought a commit in."""

    def itself(self) -> str:
        """Who writes with this token; empty where it may not be asked."""


def reviewed(forge: Forge, commit: str, *, author: str = "") -> dict[str, str]:
    """Each stack's digest, as the comment of the request has it that brought a commit in.

    Args:
        forge: Where.
        commit: The commit that is deployed.
        author: Who must have written the comment: anybody can write the marker. Empty is whoever.

    Raises:
        PostError: No merged request has brought it in, or none with a review.
    """
    requests = forge.merged(commit)
    if not requests:
        raise PostError(f"no merged request has brought {commit} in, so nothing was reviewed: give a digest by hand")
    for request in requests:
        for comment in request.comments():
            ours = comment.body.startswith(MARKER) and author in ("", comment.author)
            if ours and (found := plans(comment.body)) is not None:
                return found
    raise PostError(f"the request that brought {commit} in has no review with digests: give a digest by hand")


def post(forge: Forge, body: str, *, author: str = "") -> str:
    """Write the comment: over the one that is there, or a new one.

    Args:
        forge: Where.
        body: The text; begins with the marker.
        author: Who must have written the one that is there: anybody can write the marker. Empty is whoever.

    Returns:
        What was done.
    """
    if not body.startswith(MARKER):
        raise PostError("the text has no marker, so it would not be found again")
    for comment in forge.comments():
        ours = comment.body.startswith(MARKER) and author in ("", comment.author)
        if ours and forge.update(comment.id, body):
            return "updated"
    forge.create(body)
    return "created"


@dataclass(frozen=True, kw_only=True)
class Api:
    """A forge's API.

    Attributes:
        url: Where it is.
        headers: Headers of every request.
        token: The token in them, which is in no message.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    token: str = field(repr=False)
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(timeout=TIMEOUT), repr=False)

    def __post_init__(self) -> None:
        """Refuse to send the token in the clear."""
        parsed = urllib.parse.urlsplit(self.url)
        local = parsed.hostname in ("127.0.0.1", "::1", "localhost")
        if parsed.scheme != "https" and not (parsed.scheme == "http" and local):
            raise PostError(f"the API's address is {self.url}; a token goes over https only")
        if not self.token:
            raise PostError("there is no token: set the variable that `python -m review post --help` names")
        if not self.token.isprintable() or any(char.isspace() for char in self.token):
            raise PostError("the token has characters that no token has: was more than it copied?")

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> urllib3.BaseHTTPResponse:
        """One request, which has to succeed; 404 is left to the caller.

        Raises:
            PostError: It did not succeed.
        """
        url = self.url.rstrip("/") + path
        sent = None if body is None else json.dumps(body).encode()
        headers = {**self.headers, **({"Content-Type": "application/json"} if sent else {})}
        try:
            # A redirect could take the token elsewhere.
            retries = ONCE if method == "POST" else AGAIN
            response = self.pool.request(method, url, body=sent, headers=headers, redirect=False, retries=retries)
        except urllib3.exceptions.HTTPError as error:
            raise PostError(self._clean(f"{method} {url}: {error}")) from None
        if response.status >= 300 and response.status != 404:
            raise PostError(self._clean(f"{method} {url}: {response.status}{_reason(response)}{_mend(response)}"))
        return response

    def found(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> urllib3.BaseHTTPResponse:
        """The same, where nothing found is a failure, too."""
        response = self.request(method, path, body)
        if response.status == 404:
            raise PostError(
                self._clean(f"{method} {self.url}{path}: 404. There is no such request, or the token may not see it")
            )
        return response

    def _clean(self, text: str) -> str:
        for form in {self.token, urllib.parse.quote(self.token, safe=""), json.dumps(self.token)[1:-1]}:
            text = text.replace(form, "[token]")
        return text


def _reason(response: urllib3.BaseHTTPResponse) -> str:
    try:
        said = response.json()
    except ValueError:
        return ""
    message = said.get("message") or said.get("error") if isinstance(said, dict) else None
    return f" ({json.dumps(message)[:300]})" if message else ""


def _read(response: urllib3.BaseHTTPResponse, form: type[Any]) -> Any:
    """What an answer says; a proxy's page for signing in is none of the API's."""
    try:
        said = response.json()
    except ValueError:
        said = None
    if not isinstance(said, form):
        raise PostError("what answers is not the API: is it a page for signing in, or is the address another one?")
    return said


def _hexadecimal(commit: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", commit):
        raise PostError(f"{commit!r} is no commit's whole id")
    return commit


def _mend(response: urllib3.BaseHTTPResponse) -> str:
    return {
        401: ". The token is wrong or has run out",
        403: ". The token may not write comments, or the API asks to wait",
        422: ". The text was refused",
        429: ". The API asks to wait; run it again later",
    }.get(response.status, "")


@dataclass(frozen=True, kw_only=True)
class GitHub:
    """A pull request on GitHub.

    Attributes:
        api: The API, with a token that may write pull requests' comments.
        repository: ``owner/name``.
        number: The pull request's number.
    """

    api: Api
    repository: str
    number: int

    @classmethod
    def at(cls, *, url: str, token: str, repository: str, number: int) -> GitHub:
        """By an address and a token."""
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
            raise PostError(f"{repository!r} is no repository; write owner/name")
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "User-Agent": "dapr-osm-review",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        return cls(api=Api(url=url, headers=headers, token=token), repository=repository, number=number)

    def comments(self) -> Iterator[Comment]:
        """All comments, page by page."""
        for page in range(1, MOST_PAGES + 1):
            response = self.api.found("GET", f"{self._issue}/comments?per_page={PAGE_SIZE}&page={page}")
            for item in _read(response, list):
                author = (item.get("user") or {}).get("login", "")
                yield Comment(id=int(item["id"]), body=item.get("body") or "", author=author)
            # The header's own address is not followed: the token stays where it was meant to go.
            if 'rel="next"' not in response.headers.get("Link", ""):
                return

    def create(self, body: str) -> None:
        """Write a new one."""
        self.api.found("POST", f"{self._issue}/comments", {"body": body})

    def update(self, comment: int, body: str) -> bool:
        """Write one anew; false where it is gone."""
        path = f"/repos/{self.repository}/issues/comments/{comment}"
        return self.api.request("PATCH", path, {"body": body}).status != 404

    def merged(self, commit: str) -> list[Forge]:
        """The requests that have brought a commit in; first those whose merge it is."""
        response = self.api.found("GET", f"/repos/{self.repository}/commits/{_hexadecimal(commit)}/pulls")
        found = _read(response, list)
        there = [one for one in found if one.get("merged_at")]
        there.sort(key=lambda one: one.get("merge_commit_sha") != commit)
        return [replace(self, number=int(one["number"])) for one in there]

    def itself(self) -> str:
        """Nobody that can be asked for: a job's token is an installation's, and no user's."""
        return ""

    @property
    def _issue(self) -> str:
        return f"/repos/{self.repository}/issues/{self.number}"


@dataclass(frozen=True, kw_only=True)
class GitLab:
    """A merge request on GitLab.

    Attributes:
        api: The API, with a token that has the scope ``api``; a job's own token can't write comments.
        project: The project's id or path.
        number: The merge request's number in it.
    """

    api: Api
    project: str
    number: int

    @classmethod
    def at(cls, *, url: str, token: str, project: str, number: int) -> GitLab:
        """By an address and a token."""
        headers = {"PRIVATE-TOKEN": token, "User-Agent": "dapr-osm-review"}
        return cls(api=Api(url=url, headers=headers, token=token), project=project, number=number)

    def comments(self) -> Iterator[Comment]:
        """All comments, page by page."""
        page = "1"
        for _ in range(MOST_PAGES):
            response = self.api.found("GET", f"{self._notes}?per_page={PAGE_SIZE}&page={page}")
            for item in _read(response, list):
                author = (item.get("author") or {}).get("username", "")
                yield Comment(id=int(item["id"]), body=item.get("body") or "", author=author)
            page = response.headers.get("X-Next-Page", "")
            if not page.isdigit():
                return

    def create(self, body: str) -> None:
        """Write a new one."""
        self.api.found("POST", self._notes, {"body": body})

    def update(self, comment: int, body: str) -> bool:
        """Write one anew; false where it is gone."""
        return self.api.request("PUT", f"{self._notes}/{comment}", {"body": body}).status != 404

    def merged(self, commit: str) -> list[Forge]:
        """The requests that have brought a commit in; first those whose merge it is."""
        path = f"/projects/{urllib.parse.quote(self.project, safe='')}/repository/commits/{_hexadecimal(commit)}"
        found = _read(self.api.found("GET", f"{path}/merge_requests"), list)
        there = [one for one in found if one.get("state") == "merged"]
        there.sort(key=lambda one: commit not in (one.get("merge_commit_sha"), one.get("squash_commit_sha")))
        return [replace(self, number=int(one["iid"])) for one in there]

    def itself(self) -> str:
        """The token's user."""
        return str(_read(self.api.found("GET", "/user"), dict).get("username", ""))

    @property
    def _notes(self) -> str:
        return f"/projects/{urllib.parse.quote(self.project, safe='')}/merge_requests/{self.number}/notes"
