"""Which network addresses belong to the public internet, and which host names hide an address.

A server that fetches what a caller names must not become the caller's way into the private network
behind it (server-side request forgery, CWE-918). An address counts as public only if it is ordinary
global unicast. The tables here are the IANA special-purpose address registries, written out because
the standard library's ``is_global`` differs between patch releases and counts multicast as global.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IPAddress = IPv4Address | IPv6Address

# https://www.iana.org/assignments/iana-ipv4-special-registry, and the clouds' own services that
# live on otherwise ordinary addresses.
_RESERVED_IPV4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata service
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's platform service
        "169.254.0.0/16",  # link-local; the metadata service of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata service
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # automatic multicast tunnelling
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)

# Only 2000::/3 is given out as global unicast; that leaves out loopback, unique local, link-local,
# site-local, multicast and local NAT64 by itself.
_GLOBAL_UNICAST_IPV6 = IPv6Network("2000::/3")
# https://www.iana.org/assignments/iana-ipv6-special-registry, the part inside 2000::/3.
_RESERVED_IPV6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, among them Teredo, which embeds an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which embeds an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
# Prefixes whose last 32 bits are the IPv4 address that is really reached.
_IPV4_IN_IPV6 = (
    IPv6Network("::ffff:0:0/96"),  # IPv4-mapped, RFC 4291
    IPv6Network("64:ff9b::/96"),  # NAT64, RFC 6052: all that a DNS64 resolver gives for IPv4 hosts
)

# Interface identifiers of ISATAP (RFC 5214, 6.1), before the IPv4 address that is really reached.
_ISATAP_IDENTIFIERS = (0x0000_5EFE, 0x0200_5EFE)

# The "ends in a number" rule of https://url.spec.whatwg.org: what C libraries may read as IPv4.
_LAST_LABEL_IS_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?$")


def is_public(address: IPAddress) -> bool:
    """Tell whether an address is ordinary global unicast, directly or behind a translator."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _RESERVED_IPV4)
    if any(address in network for network in _IPV4_IN_IPV6):
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP_IDENTIFIERS:
        return False
    return address in _GLOBAL_UNICAST_IPV6 and not any(
        address in network for network in _RESERVED_IPV6
    )


def is_loopback_name(host: str) -> bool:
    """Tell whether a name always stands for this machine, whatever a resolver says (RFC 6761)."""
    name = host.lower().removesuffix(".")
    return name == "localhost" or name.endswith(".localhost")


def address_literal(host: str) -> IPAddress | None:
    """Read a host that is written as an address, not as a name.

    Args:
        host: The host part of a URL, an IPv6 address without its brackets.

    Returns:
        The address, or None if the host is a name that has to be resolved.

    Raises:
        ValueError: The host is a number that is not a plain address: decimal (``2130706433``),
            octal (``0177.0.0.1``), hexadecimal (``0x7f.1``), shortened (``127.1``), or IPv6 with a
            zone.
    """
    if ":" in host:
        address = ip_address(host)
        if "%" in host:
            raise ValueError(f"{host!r} names a network interface of this machine")
        return address
    if _LAST_LABEL_IS_NUMBER.search(host):
        return IPv4Address(host)
    return None
