"""Host names, origins and addresses as they are compared."""

from __future__ import annotations

import pytest

from orch.errors import UsageError
from orch.server.http.hosts import client_network, parse_host, validate_host


def test_host_names_are_parsed_as_browsers_send_them() -> None:
    assert [
        parse_host(host)
        for host in ("A.b:1", "[::0001]", "[1::2::3]", "a b", "a/b", "[fe80::1%25eth0]")
    ] == ["a.b", "[::1]", "", "", "", ""]


def test_a_source_is_an_ipv4_address_or_an_ipv6_network() -> None:
    addresses = ("10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "2001:db8::2:1", "")
    assert [client_network(each) for each in addresses] == [
        *["10.0.0.1"] * 2,
        *["2001:db8::/64"] * 2,
        "",
    ]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("NAS.local", "nas.local"),
        ("nas.local.", "nas.local"),
        ("::1", "[::1]"),
        ("[0::1]", "[::1]"),
        ("192.168.1.5", "192.168.1.5"),
    ],
)
def test_a_host_of_the_options_is_compared_in_the_form_of_the_header(given: str, name: str) -> None:
    assert validate_host(given) == name


@pytest.mark.parametrize("host", ["", "*", "a b", "nas.local:80", "[::1]:80", "http://nas.local"])
def test_a_host_that_could_never_match_is_rejected(host: str) -> None:
    with pytest.raises(UsageError, match="is not a host name"):
        validate_host(host)
