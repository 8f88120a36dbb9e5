"""What is refused for who asks, and not for what is asked: keys, scopes, links and limits."""

import math
from collections.abc import Mapping
from typing import Any

from studio_pipelines.errors import StudioError

REALM = 'Bearer realm="studio"'


class Refusal(StudioError):
    """A request that is refused for who made it.

    Attributes:
        headers: What the answer tells besides.
        more: Further members of the problem document.
    """

    headers: Mapping[str, str]
    more: Mapping[str, Any]

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.headers = headers or {}
        self.more = more or {}


class KeyMissing(Refusal):
    """The request brings no API key, and needs one."""

    status = 401
    code = "key_missing"
    advice = "Send `Authorization: Bearer sk_…`."

    def __init__(self) -> None:
        super().__init__(
            "This needs an API key.",
            hint="Send it as `Authorization: Bearer sk_…`.",
            headers={"WWW-Authenticate": REALM},
        )


class KeyInvalid(Refusal):
    """The request brings something that is no valid API key."""

    status = 401
    code = "key_invalid"
    advice = (
        "It was never one, was revoked, has expired, or does not come as `Authorization: Bearer "
        "sk_…`. Ask whoever runs the studio for one (`studio keys create`)."
    )

    def __init__(self, what: str) -> None:
        # RFC 6750, section 3.1.
        challenge = f'{REALM}, error="invalid_token"'
        super().__init__(
            f"The API key {what}.",
            hint="Ask whoever runs this studio for a key.",
            headers={"WWW-Authenticate": challenge},
        )


class NotInScope(Refusal):
    """The API key is not for what was asked."""

    status = 403
    code = "not_in_scope"
    advice = (
        "The message names the scope that is needed: an operation, a chain, or `metrics`. Ask "
        "whoever runs the studio for a key with it."
    )

    def __init__(self, scope: str) -> None:
        # RFC 6750, section 3.1.
        challenge = f'{REALM}, error="insufficient_scope", scope="{scope}"'
        super().__init__(
            f"The API key is not for {scope}.",
            hint="Ask whoever runs this studio for a key with that scope.",
            headers={"WWW-Authenticate": challenge},
        )


class LinkInvalid(Refusal):
    """The link to an asset has been changed, its time is over, or its key is no longer valid."""

    status = 403
    code = "link_invalid"
    advice = "Use the URL as it came; read the job or the asset again for a new one; or send a key."


class NotLocal(Refusal):
    """Keys are off, and the request does not come from this machine as far as can be seen."""

    status = 403
    code = "not_local"
    advice = (
        "It came to another address, under another host's name, through a proxy, or from "
        "another site's page. Whoever runs the studio sets `STUDIO_REQUIRE_KEYS=true` and makes "
        "keys, or allows the page by `STUDIO_CORS_ORIGINS`."
    )


class LimitReached(Refusal):
    """The API key has used up what it may ask for; a while later it may again."""

    def __init__(
        self, message: str, policy: str, wait_s: float, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(
            message,
            hint="Try again after the seconds that Retry-After tells.",
            headers={**(headers or {}), "Retry-After": str(max(1, math.ceil(wait_s)))},
            # Of draft-ietf-httpapi-ratelimit-headers-11, section 5.1.
            more={"violated-policies": [policy]},
        )


class RateLimited(LimitReached):
    """The API key has made as many requests within a minute as it may."""

    status = 429
    code = "rate_limited"
    advice = (
        "`RateLimit` and `RateLimit-Policy` tell the limit beforehand, `violated-policies` "
        "names it. Try again after the seconds that `Retry-After` tells."
    )


class TooManyJobs(LimitReached):
    """The API key has as many jobs under way as it may."""

    status = 429
    code = "too_many_jobs"
    advice = "No job was made. Wait for one to end, or cancel one."


class QuotaUsedUp(LimitReached):
    """The API key has used up what it may in a day."""

    status = 429
    code = "quota_used_up"
    advice = (
        "It is counted in jobs, or in seconds of workers' time, of this day of UTC. No job was "
        "made."
    )
