"""How much memory a job will need, learned from what jobs like it have used.

For each kind of device, work and size class Redis keeps a decaying maximum of the measured peaks:
a higher peak counts at once, lower ones bring it down by a tenth of the difference each. So a job
that once needed much keeps its room for a while, and a guess that was too high wears off.
"""

import math

import redis

# A forecast that is a little too high costs a wait; one that is too low costs a job.
MARGIN = 1.15
DECAY = 0.1
KEPT_S = 90 * 24 * 3600
_PEAKS = "studio:memory:peaks"
_SMALLEST_EXPONENT = -4

_LEARN = """
local old = tonumber(redis.call('HGET', KEYS[1], ARGV[1]))
local measured, decay = tonumber(ARGV[2]), tonumber(ARGV[3])
local new = measured
if old and old > measured then new = old - decay * (old - measured) end
redis.call('HSET', KEYS[1], ARGV[1], tostring(new))
redis.call('EXPIRE', KEYS[1], ARGV[4])
"""


def size_class(amount: float, unit: str) -> str:
    """Name the class of inputs that need about the same memory: the next power of two.

    Args:
        amount: How much there is to work on, such as 24.2.
        unit: What it counts, in the plural, such as ``megapixels``.
    """
    exponent = math.ceil(math.log2(amount)) if amount > 0 else _SMALLEST_EXPONENT
    return f"{2.0 ** max(_SMALLEST_EXPONENT, exponent):g} {unit}"


def predicted_mib(
    client: redis.Redis, kind: str, work: str, size: str, *, guess_mib: float
) -> float:
    """Return what to lease for a piece of work: its learned peak with a margin, else the guess.

    Args:
        client: Where the peaks are kept; if it is away, the guess has to do.
        kind: Kind of device, as :func:`~resources.devices.device_kind` names it.
        work: What is done, such as the name of a model.
        size: How much of it, as :func:`size_class` names it.
        guess_mib: What the op thinks that it needs, before anything was measured.
    """
    try:
        peak_mib = client.hget(_PEAKS, _field(kind, work, size))
    except redis.RedisError:
        return guess_mib
    return guess_mib if peak_mib is None else MARGIN * float(str(peak_mib))


def learn(client: redis.Redis, kind: str, work: str, size: str, *, peak_mib: float) -> None:
    """Take a measured peak into account for the next forecast.

    Raises:
        redis.RedisError: The server does not answer, and the peak is not learned.
    """
    client.eval(_LEARN, 1, _PEAKS, _field(kind, work, size), f"{peak_mib}", f"{DECAY}", f"{KEPT_S}")


def _field(kind: str, work: str, size: str) -> str:
    return f"{kind}|{work}|{size}"
