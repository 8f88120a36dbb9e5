"""What the address that a server listens on says of who reaches it."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether a host's name or address means this machine, and reaches no other."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def is_any_address(host: str) -> bool:
    """Whether a host is what servers listen on to be reached at all of their addresses."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
