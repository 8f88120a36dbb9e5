"""Where keys are off: only this machine's own people and programs are let in.

Loopback alone does not say that. A page of the internet makes the browser of whoever is at this
machine send requests to it (cross-site requests, or a name that resolves to loopback), and a proxy
on this machine brings in those of others.
"""

from collections.abc import Collection

from fastapi import Request

from api.refusals import NotLocal
from studio_pipelines.listening import is_loopback

FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
HINT = "Set STUDIO_REQUIRE_KEYS=true, make a key with `studio keys create`, and send it."


def require_local(request: Request, allowed_origins: Collection[str]) -> None:
    """Refuse what need not have come from this machine's own people and programs.

    Args:
        request: The request.
        allowed_origins: Other sites whose pages may send requests.

    Raises:
        NotLocal: It came to another address or under another name, through a proxy, or from
            another site's page.
    """
    server = request.scope.get("server")
    if not server or not is_loopback(server[0]):
        raise NotLocal("Without API keys the studio answers on loopback alone.", hint=HINT)
    host = request.headers.get("host", "localhost")
    if not is_loopback(_name_in(host)):
        raise NotLocal("Without API keys the studio answers under loopback's names.", hint=HINT)
    if any(name in request.headers for name in FORWARDED):
        raise NotLocal("Without API keys the studio is not to be had through a proxy.", hint=HINT)
    origin = request.headers.get("origin")
    if origin is None or request.method in SAFE_METHODS or origin in allowed_origins:
        return
    if origin.partition("://")[2].lower() != host.lower():
        raise NotLocal(
            f"Pages of {origin[:100]} may not send requests to this studio.",
            hint="Whoever runs it can allow them by STUDIO_CORS_ORIGINS.",
        )


def _name_in(host: str) -> str:
    """Return a ``Host`` header without its port."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and not name.endswith(":") else host
