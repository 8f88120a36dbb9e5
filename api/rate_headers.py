"""What a key may still ask for, as header fields.

Of the IETF draft "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers-11).
"""

import math

from resources.api_keys import Limits
from resources.rate_limit import WINDOW_S, Turn

REQUESTS = "requests"
CONCURRENT_JOBS = "concurrent-jobs"
DAILY_JOBS = "daily-jobs"
DAILY_SECONDS = "daily-seconds"
DAY_S = 24 * 3600


def policy_header(limits: Limits) -> dict[str, str]:
    """Return the policies of a key that count requests in a window, if it has any."""
    policies = [
        f'"{name}";q={quota};w={window_s}'
        for name, quota, window_s in (
            (REQUESTS, limits.rate_per_minute, WINDOW_S),
            (DAILY_JOBS, limits.daily_jobs, DAY_S),
        )
        if quota is not None
    ]
    return {"RateLimit-Policy": ", ".join(policies)} if policies else {}


def limit_header(policy: str, remaining: int, window_s: float) -> dict[str, str]:
    """Return how much is left under a policy, and for how long no more than that."""
    return {"RateLimit": f'"{policy}";r={max(0, remaining)};t={math.ceil(window_s)}'}


def turn_headers(limits: Limits, turn: Turn | None) -> dict[str, str]:
    """Return what an answer tells of a key's limits."""
    left = limit_header(REQUESTS, turn.remaining, turn.next_in_s) if turn else {}
    return {**policy_header(limits), **left}
