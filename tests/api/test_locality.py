"""Without keys only this machine's own people and programs are let in."""

import httpx
import pytest
from fastapi import Request
from running_studio import COPY_ROUTE, RunningStudio, problem_in

from api.locality import require_local
from api.refusals import NotLocal


def request(method: str = "GET", server: str | None = "127.0.0.1", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {
            "type": "http",
            "method": method,
            "path": "/api/jobs",
            "server": (server, 8000) if server else None,
            "headers": raw,
        }
    )


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8000", "[::1]", "127.8.9.1"]
)
def test_this_machine_is_let_in(host: str) -> None:
    require_local(request(host=host), ())
    require_local(request("POST", host=host, origin=f"http://{host}"), ())
    require_local(request("POST", server="::1", host=host), ())


@pytest.mark.parametrize(
    "host",
    [
        "studio.example.org",  # a name that resolves to loopback
        "127.0.0.1.example.org:8000",
        "localhost.example.org",
        "192.168.1.2:8000",
        "",
        "127.0.0.1:8000:8000",
    ],
)
def test_other_names_are_not(host: str) -> None:
    with pytest.raises(NotLocal):
        require_local(request(host=host), ())


@pytest.mark.parametrize("server", ["192.168.1.2", "0.0.0.0", "/run/studio.sock", None])
def test_other_addresses_are_not(server: str | None) -> None:
    with pytest.raises(NotLocal):
        require_local(request(server=server, host="localhost"), ())


@pytest.mark.parametrize("name", ["forwarded", "x_forwarded_for", "x_real_ip", "via"])
def test_what_comes_through_a_proxy_is_not(name: str) -> None:
    with pytest.raises(NotLocal, match="proxy"):
        require_local(request(host="localhost", **{name: "127.0.0.1"}), ())


def test_other_sites_pages_may_read_nothing_and_send_nothing() -> None:
    page = {"host": "localhost:8000", "origin": "https://evil.example"}
    require_local(request("GET", **page), ())  # the browser keeps the answer from the page
    for method in ("POST", "DELETE"):
        for origin in (page["origin"], "null", "http://localhost:9000", "http://["):
            with pytest.raises(NotLocal):
                require_local(request(method, **{**page, "origin": origin}), ())
    require_local(request("POST", **page), [page["origin"]])


@pytest.mark.stack
def test_a_studio_without_keys_keeps_to_this_machine(studio: RunningStudio) -> None:
    image = studio.upload(b"a file")
    page = {"Origin": "https://evil.example"}
    answer = studio.client.post(COPY_ROUTE, json={"image": image}, headers=page)
    assert "STUDIO_CORS_ORIGINS" in problem_in(answer, 403, "not_local")["hint"]
    rebound = {"Host": "evil.example:8000"}
    answer = studio.client.get("/api/jobs", headers=rebound)
    assert "STUDIO_REQUIRE_KEYS" in problem_in(answer, 403, "not_local")["hint"]
    answer = studio.client.get("/api/jobs", headers={"X-Forwarded-For": "203.0.113.9"})
    problem_in(answer, 403, "not_local")
    url = f"{studio.stack.api_url}/api/assets/{image.removeprefix('asset:')}"
    assert "?" not in studio.client.get(f"{url}/metadata").json()["url"]
    assert httpx.get(url, headers={"Authorization": "Bearer sk_none"}).status_code == 200
