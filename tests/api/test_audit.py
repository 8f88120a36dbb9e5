"""Other sites' pages, and what is written down of what was done."""

import pytest
from keyed_studio import KeyedStudio
from running_studio import COPY_ROUTE, RunningStudio

from resources.audit_log import AuditLog

pytestmark = pytest.mark.stack
PAGE = "https://app.example.org"


def test_only_the_pages_of_named_sites_may_ask(keyed: KeyedStudio, ada: RunningStudio) -> None:
    asks = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    wants = {"Access-Control-Request-Headers": "authorization, idempotency-key, content-type"}
    allowed = keyed.nobody.options(COPY_ROUTE, headers={**asks, **wants})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == PAGE
    refused = keyed.nobody.options(COPY_ROUTE, headers={**asks, "Origin": f"{PAGE}.evil.net"})
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers
    told = ada.client.get("/api/jobs", headers={"Origin": PAGE}).headers
    assert {"Retry-After", "RateLimit", "Location"} <= set(
        told["access-control-expose-headers"].split(", ")
    )
    assert "access-control-allow-credentials" not in told
    # A refusal can be read by the page as well.
    refusal = keyed.nobody.get("/api/jobs", headers={"Origin": PAGE})
    assert refusal.headers["access-control-allow-origin"] == PAGE


def test_what_was_done_is_written_down_without_secrets(
    keyed: KeyedStudio, pixel_png: bytes
) -> None:
    user, key = keyed.with_key()
    image = user.upload(pixel_png)
    job = user.copy(image).json()["jobId"]
    again = user.client.post(f"/api/jobs/{job}/retry").json()["jobId"]
    user.job_once(again, "completed")
    user.client.delete(f"/api/jobs/{again}")
    running = user.begin(image, secondsTaken=30)
    user.client.post(f"/api/jobs/{running}/cancel")
    asset = image.removeprefix("asset:")
    user.client.delete(f"/api/assets/{asset}")
    entries = AuditLog(keyed.engine).read(limit=100, actor=key.id)
    assert [(one.action, one.subject) for one in entries] == [
        ("asset.stored", asset),
        ("job.submitted", job),
        ("job.retried", again),
        ("job.deleted", again),
        ("job.submitted", running),
        ("job.canceled", running),
        ("asset.deleted", asset),
    ]
    assert {one.address for one in entries} == {"127.0.0.1"}
    assert entries[1].detail == {"operation": "file_copy", "new": True}
    secret = user.client.headers["authorization"].removeprefix("Bearer ")
    assert all(secret not in str(one) for one in entries)
    logs = (keyed.studio.stack.data_dir / "logs").rglob("*")
    assert all(secret not in log.read_text(errors="replace") for log in logs if log.is_file())


def test_the_secret_of_links_is_its_owners_alone(keyed: KeyedStudio) -> None:
    file = keyed.studio.stack.data_dir / "links.secret"
    assert file.stat().st_mode & 0o777 == 0o600
