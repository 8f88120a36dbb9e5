import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.public_addresses import address_literal, is_public

NOT_PUBLIC = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200",
    "100.127.255.255", "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.0.1",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.9", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254",
    "ff02::1", "ff0e::1", "100::1", "2001::1", "2001:10::1", "2001:db8::1", "3fff::1",
    "4000::1", "5f00::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
    "2a00:1450::5efe:7f00:1", "2a00:1450::200:5efe:10.0.0.1", "2a00:1450::5efe:8.8.8.8",
    "::ffff:0:127.0.0.1", "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]  # fmt: skip

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.215.14", "100.63.255.255",
    "100.128.0.0", "128.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
    "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "2001:4860:4860::8888",
    "::ffff:8.8.8.8", "64:ff9b::808:808",
]  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_ordinary_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_never_looser_than_the_standard_library_for_ipv4(address: IPv4Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


@given(st.ip_addresses(v=6))
def test_public_ipv6_is_never_a_special_one(address: IPv6Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_site_local
        assert address.sixtofour is None
        assert address.teredo is None


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_as_public_as_itself(address: IPv4Address) -> None:
    for prefix in ("::ffff:", "64:ff9b::"):
        assert is_public(IPv6Address(f"{prefix}{address}")) == is_public(address)


@given(st.ip_addresses(v=4), st.integers(0, 2**80 - 1))
def test_deprecated_tunnels_are_never_public(address: IPv4Address, rest: int) -> None:
    assert not is_public(IPv6Address((0x2002 << 112) | (int(address) << 80) | rest))


@given(st.ip_addresses())
def test_a_plain_address_is_read_as_itself(address: IPv4Address | IPv6Address) -> None:
    assert address_literal(str(address)) == address


@pytest.mark.parametrize("host", ["example.org", "a.1.example", "1e100.net", "x", "0x7g", "host-1"])
def test_names_are_not_literals(host: str) -> None:
    assert address_literal(host) is None


@pytest.mark.parametrize(
    "host",
    [
        "2130706433", "0x7f000001", "0x7F.1", "0177.0.0.1", "127.1", "127.0.1", "017700000001",
        "0x7f.0.0.0x1", "127.0.0.01", "1.2.3.4.5", "256.1.1.1", "0x", "127.0.0.1.", "name.0x1",
        "fe80::1%eth0", "::1%lo", "1:2:3", "::ffff:1.2.3.04",
    ],
)  # fmt: skip
def test_disguised_addresses_are_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        address_literal(host)


@given(
    st.lists(st.integers(0, 255), min_size=1, max_size=4),
    st.sampled_from(["{:d}", "0{:o}", "0x{:x}", "0X{:X}", "00{:o}"]),
)
def test_whatever_the_c_library_reads_as_an_address_is_not_taken_for_a_name(
    parts: list[int], form: str
) -> None:
    host = ".".join(form.format(part) for part in parts)
    packed = socket.inet_aton(host)
    try:
        literal = address_literal(host)
    except ValueError:
        return
    assert literal == IPv4Address(packed)
