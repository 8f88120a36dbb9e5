"""Links to assets: signed, and for a while."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyed_studio import KeyedStudio
from running_studio import RunningStudio, eventually, problem_in
from webhook_receiver import webhook_receiver

from api.asset_links import STEP_S, Link, LinkSigner
from api.refusals import LinkInvalid

LINK = Link("ast_1", "key_1")


@pytest.mark.stack
def test_links_in_answers_need_no_key(
    keyed: KeyedStudio, ada: RunningStudio, pixel_png: bytes
) -> None:
    done = ada.copy(ada.upload(pixel_png)).json()
    record = ada.job(done["jobId"])
    events = ada.client.get(f"/api/jobs/{done['jobId']}/events").text
    told = re.findall(r'"url": ?"(http[^"]+)"', events)
    urls = [done["data"]["url"], record["data"]["url"], *told]
    assert len(urls) >= 3
    for url in urls:
        assert keyed.nobody.get(url).content == pixel_png
        part = keyed.nobody.get(url, headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, pixel_png[:4])
        assert keyed.nobody.head(url).status_code == 200
    # The record has a link of its own: one would give another for ever.
    record = keyed.nobody.get(done["data"]["url"].replace("?", "/metadata?"))
    problem_in(record, 401, "key_missing")


@pytest.mark.stack
def test_a_link_ends_with_the_key_that_it_was_given_to(
    keyed: KeyedStudio, pixel_png: bytes
) -> None:
    first, key = keyed.with_key()
    second, _ = keyed.with_key(owner=key.owner)
    done = first.copy(first.upload(pixel_png)).json()
    revoked = done["data"]["url"]
    lasting = second.job(done["jobId"])["data"]["url"]
    assert {keyed.nobody.get(url).content for url in (revoked, lasting)} == {pixel_png}
    keyed.ring.revoke(key.name)
    eventually(lambda: keyed.nobody.get(revoked).status_code == 403, timeout_s=5)
    error = problem_in(keyed.nobody.get(revoked), 403, "link_invalid")
    assert "no longer valid" in error["message"]
    assert keyed.nobody.get(lasting).content == pixel_png


@pytest.mark.stack
def test_a_link_is_for_reading_one_asset(
    keyed: KeyedStudio, ada: RunningStudio, pixel_png: bytes
) -> None:
    first, second = (ada.client.post("/api/assets", content=pixel_png).json() for _ in range(2))
    path, _, query = first["url"].partition("?")
    key, expiry, signature = (part.partition("=")[2] for part in query.split("&"))
    for changed in (
        f"{second['url'].partition('?')[0]}?{query}",
        f"{path}?key={key}&exp={int(expiry) + 1}&sig={signature}",
        f"{path}?key={key}&exp=&sig={signature}",
        f"{path}?key={key}&sig={signature}",
        f"{path}?exp={expiry}&sig={signature}",
        f"{path}?key=key_0&exp={expiry}&sig={signature}",
        f"{path}?key={key}&exp={expiry}&sig={signature[:-2]}",
        f"{path}?key={key}&exp={expiry}&sig=",
        f"{path}?key={key}&exp={expiry}&sig=é",
    ):
        answer = keyed.nobody.get(changed)
        # A query without a signature is none.
        if changed.endswith("sig="):
            problem_in(answer, 401, "key_missing")
        else:
            problem_in(answer, 403, "link_invalid")
    problem_in(keyed.nobody.delete(first["url"]), 401, "key_missing")
    problem_in(keyed.nobody.get(f"/api/jobs?{query}"), 401, "key_missing")
    assert ada.client.delete(f"/api/assets/{first['id']}").status_code == 200
    problem_in(keyed.nobody.get(first["url"]), 404, "asset_not_found")


@pytest.mark.stack
def test_a_webhook_brings_links(keyed: KeyedStudio, ada: RunningStudio, pixel_png: bytes) -> None:
    with webhook_receiver() as receiver:
        job_id = ada.begin(ada.upload(pixel_png), webhook={"url": receiver.url})
        message = receiver.first_about(job_id)
    assert keyed.nobody.get(message.data["data"]["url"]).content == pixel_png


def test_a_link_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = LinkSigner(b"secret", lifetime_s=60)
    began_s = time.time()
    query, path = signer.query(LINK), "/api/assets/ast_1"
    monkeypatch.setattr(time, "time", lambda: began_s + 59)
    assert signer.link(path, query) == LINK
    monkeypatch.setattr(time, "time", lambda: began_s + 60 + STEP_S)
    with pytest.raises(LinkInvalid, match="over"):
        signer.link(path, query)


def test_links_given_out_together_are_equal_and_of_another_secret_none() -> None:
    signer = LinkSigner(b"secret", lifetime_s=60)
    assert len({signer.query(LINK) for _ in range(50)}) <= 2
    with pytest.raises(LinkInvalid):
        LinkSigner(b"another", 60).link("/api/assets/ast_1", signer.query(LINK))


@given(path=st.text(), query=st.text())
def test_nothing_else_is_a_link(path: str, query: str) -> None:
    signer = LinkSigner(b"secret", lifetime_s=60)
    assert signer.link(path, query) is None
    try:
        assert signer.link("/api/assets/ast_1", query) is None
    except LinkInvalid:
        assert "sig=" in query
