"""How many requests a key has made within the last minute: a sliding window in Redis.

Each request that is let in is one entry with its time, so that no window of that length has more
of them than the limit, wherever it begins; a request that is refused counts for nothing.
"""

import secrets
from dataclasses import dataclass
from typing import Any

import redis

WINDOW_S = 60

# One exchange, and by the server's clock: API processes share the window, whatever theirs say.
_TAKE = """
local now = redis.call('TIME')
local now_us = now[1] * 1000000 + now[2]
local limit, window_us = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now_us - window_us))
local used, admitted = redis.call('ZCARD', KEYS[1]), 0
if used < limit then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now_us), ARGV[3])
  redis.call('PEXPIRE', KEYS[1], window_us / 1000)
  used, admitted = used + 1, 1
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local next_us = oldest[2] and oldest[2] + window_us - now_us or 0
return {admitted, math.max(0, limit - used), next_us}
"""


@dataclass(frozen=True)
class Turn:
    """What a request has met.

    Attributes:
        admitted: Whether it is let in.
        remaining: How many more would be, now.
        next_in_s: Seconds until one more is free again.
    """

    admitted: bool
    remaining: int
    next_in_s: float


def take_turn(client: redis.Redis, name: str, limit: int, window_s: float = WINDOW_S) -> Turn:
    """Count a request against a limit.

    Args:
        client: The broker.
        name: Whose requests are counted.
        limit: How many are let in within any window; at least 1.
        window_s: Length of the window in seconds.

    Raises:
        redis.RedisError: The broker does not answer.
    """
    window_us = round(window_s * 1e6)
    told: Any = client.eval(
        _TAKE, 1, f"studio:rate:{name}", f"{limit}", f"{window_us}", secrets.token_hex(8)
    )
    admitted, remaining, next_us = told
    return Turn(bool(admitted), remaining, next_us / 1e6)
