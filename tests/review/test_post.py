"""The one comment of a request, on a fake API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import urllib3.util.retry

from review.markdown import MARKER
from review.post import Api, Forge, GitHub, GitLab, PostError, post
from tests.review.fake_forge import FakeForge, serving

TOKEN = "t0ken-that-nobody-may-see/+"  # noqa: S105 - planted
BODY = f"{MARKER}\n\nnew"


@pytest.fixture(params=["github", "gitlab"])
def fake(request: pytest.FixtureRequest) -> Iterator[FakeForge]:
    with serving(request.param) as forge:
        yield forge


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses before something was asked again, none of which takes time."""
    made: list[float] = []
    monkeypatch.setattr(urllib3.util.retry, "time", SimpleNamespace(sleep=made.append, time=time.time))
    return made


def reached(fake: FakeForge) -> Forge:
    if fake.kind == "github":
        return GitHub.at(url=fake.url, token=TOKEN, repository="team/mesh", number=7)
    return GitLab.at(url=fake.url, token=TOKEN, project="team/mesh", number=7)


def test_the_first_comment_is_created(fake: FakeForge) -> None:
    fake.add("somebody's", count=3)
    assert post(reached(fake), BODY) == "created"
    assert fake.bodies()[4] == BODY
    assert len(fake.sent("POST")) == 1


def test_the_comment_is_found_again_on_the_third_page(fake: FakeForge) -> None:
    fake.add("somebody's", count=230)
    sticky = fake.add(f"{MARKER}\n\nold")
    fake.add("somebody's", count=5)
    assert post(reached(fake), BODY) == "updated"
    assert fake.bodies()[sticky] == BODY
    assert len(fake.sent("GET")) == 3
    assert fake.sent("POST") == []


def test_a_request_with_just_a_full_page_is_not_asked_for_another(fake: FakeForge) -> None:
    fake.add("somebody's", count=100)
    assert post(reached(fake), BODY) == "created"
    assert len(fake.sent("GET")) == 1


def test_a_second_run_writes_over_the_first_ones_comment(fake: FakeForge) -> None:
    post(reached(fake), BODY)
    assert post(reached(fake), f"{BODY} and newer") == "updated"
    assert list(fake.bodies().values()) == [f"{BODY} and newer"]


def test_a_comment_that_only_quotes_the_marker_is_somebody_elses(fake: FakeForge) -> None:
    fake.add(f"> {MARKER}\n> quoted")
    assert post(reached(fake), BODY) == "created"


def test_a_comment_of_another_author_is_left_alone(fake: FakeForge) -> None:
    fake.add(f"{MARKER} of a stranger", author="stranger")
    assert post(reached(fake), BODY, author="bot") == "created"
    assert fake.bodies()[1] == f"{MARKER} of a stranger"
    assert post(reached(fake), BODY, author="bot") == "updated"


def test_a_comment_that_is_deleted_meanwhile_is_created_anew(fake: FakeForge) -> None:
    fake.gone.add(fake.add(f"{MARKER} old"))
    assert post(reached(fake), BODY) == "created"
    assert fake.bodies()[2] == BODY


def test_a_text_without_the_marker_is_refused(fake: FakeForge) -> None:
    with pytest.raises(PostError, match="no marker"):
        post(reached(fake), "no marker")
    assert fake.requests == []


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "token is wrong"), (403, "may not write"), (404, "no such request"), (422, "refused"), (500, "500")],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_error_says_what_to_mend_and_never_the_token(fake: FakeForge, status: int, says: str, method: str) -> None:
    fake.answers[method] = [status] * 5
    fake.say = f"your token {TOKEN} is not good"
    with pytest.raises(PostError) as caught:
        post(reached(fake), BODY)
    assert says in str(caught.value)
    assert method in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert TOKEN not in repr(caught.value.__cause__)
    assert TOKEN not in repr(reached(fake))


def test_what_answers_and_is_not_the_api_is_an_error_in_words(fake: FakeForge) -> None:
    fake.answers["GET"] = [200, 200]
    with pytest.raises(PostError, match="is not the API"):
        post(reached(fake), BODY)
    with pytest.raises(PostError, match="is not the API"):
        reached(fake).merged("a" * 40)
    assert fake.sent("POST") == []


def test_reading_is_tried_again_and_writing_is_not(fake: FakeForge) -> None:
    fake.answers["GET"] = [503, 502]
    assert post(reached(fake), BODY) == "created"
    assert len(fake.sent("GET")) == 3
    fake.answers["POST"] = [503]
    fake.comments.clear()
    with pytest.raises(PostError, match="503"):
        post(reached(fake), BODY)
    assert len(fake.sent("POST")) == 2, "the second one failed, and was not repeated: it may have been written"


def test_a_comment_is_written_over_again_where_the_api_was_away(fake: FakeForge) -> None:
    sticky = fake.add(f"{MARKER} old")
    fake.answers["PATCH"] = fake.answers["PUT"] = [502, 503]
    assert post(reached(fake), BODY) == "updated"
    assert fake.bodies() == {sticky: BODY}


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_where_the_api_asks_to_wait_the_review_does(
    fake: FakeForge, method: str, status: int, pauses: list[float]
) -> None:
    fake.answers[method] = [status]
    fake.wait = "7"
    assert post(reached(fake), BODY) == "created"
    assert pauses == [7]
    assert list(fake.bodies().values()) == [BODY], "once"
    assert len(fake.sent(method)) == 2


def test_an_api_that_goes_on_asking_to_wait_is_told_as_that(fake: FakeForge, pauses: list[float]) -> None:
    fake.answers["GET"] = [429] * 9
    with pytest.raises(PostError, match="429.*run it again later"):
        post(reached(fake), BODY)
    assert sum(pauses) == 3, "a job has better things to do"


def test_no_job_waits_longer_than_two_minutes_because_an_api_asks_it_to(fake: FakeForge, pauses: list[float]) -> None:
    fake.answers["GET"] = [429]
    fake.wait = "86400"
    assert post(reached(fake), BODY) == "created"
    assert pauses == [120]


def test_no_redirect_takes_the_token_elsewhere(fake: FakeForge) -> None:
    fake.answers["GET"] = [302]
    with pytest.raises(PostError, match="302"):
        post(reached(fake), BODY)
    assert len(fake.requests) == 1


def test_the_token_is_in_the_header_and_in_no_address(fake: FakeForge) -> None:
    post(reached(fake), BODY)
    for request in fake.requests:
        assert TOKEN not in request.path
        assert any(TOKEN in value for value in request.headers.values())


@pytest.mark.parametrize("url", ["http://github.example", "ftp://127.0.0.1", "http://127.0.0.1.example"])
def test_a_token_goes_over_https_only(url: str) -> None:
    with pytest.raises(PostError, match="https only"):
        Api(url=url, headers={}, token=TOKEN)


@pytest.mark.parametrize("token", ["", "with a\nline", "with space"])
def test_what_is_no_token_is_refused_before_it_is_sent(token: str) -> None:
    with pytest.raises(PostError) as caught:
        Api(url="https://api.example", headers={}, token=token)
    assert "with" not in str(caught.value)


def test_a_repository_is_an_owner_and_a_name() -> None:
    with pytest.raises(PostError, match="owner/name"):
        GitHub.at(url="https://api.example", token=TOKEN, repository="../../user", number=1)


def test_nobody_there_is_an_error_in_words() -> None:
    forge = GitHub.at(url="http://127.0.0.1:1", token=TOKEN, repository="team/mesh", number=7)
    with pytest.raises(PostError) as caught:
        post(forge, BODY)
    assert TOKEN not in str(caught.value)
