"""What a server may allow: hosts, origins and addresses of options."""

from __future__ import annotations

import pytest

from orch.errors import UsageError
from orch.server.http.keys import ApiKeys
from orch.server.http.rules import Rules
from tests.support.guarded_app import KEY


@pytest.mark.parametrize("address", ["0.0.0.0", "", "::", "192.168.1.5", "nas.local", "127.1"])
def test_other_addresses_need_keys(address: str, keys: ApiKeys) -> None:
    with pytest.raises(UsageError, match="no API key"):
        Rules.for_host(address)
    assert Rules.for_host(address, keys=keys).keys is keys


def test_loopback_addresses_need_no_keys() -> None:
    assert Rules.for_host("127.0.0.1") == Rules.for_host("localhost") == Rules.for_host("::1")
    assert Rules.for_host("::ffff:127.0.0.1").keys is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"hosts": ["*"]},
        {"hosts": ["a.example:80"]},
        {"hosts": [""]},
        {"origins": ["*"]},
        {"origins": ["null"]},
        {"origins": ["a.example"]},
    ],
)
def test_invalid_hosts_and_origins_are_rejected(wrong: dict[str, list[str]]) -> None:
    with pytest.raises(UsageError, match=r"is no|lets in any page"):
        Rules.for_host("127.0.0.1", **wrong)  # type: ignore[arg-type]  # one of two parameters of this type


def test_hosts_and_origins_are_kept_in_the_form_that_is_compared() -> None:
    rules = Rules.for_host(
        "192.168.1.5",
        hosts=["NAS.local"],
        origins=["https://A.example"],
        keys=ApiKeys([("a", KEY)]),
    )
    assert rules.allowed_hosts == {"localhost", "127.0.0.1", "[::1]", "192.168.1.5", "nas.local"}
    assert rules.allowed_origins == {"https://a.example"}


def test_limits_are_passed_on_and_wrong_keys_counted_for_each_server() -> None:
    one, other = (Rules.for_host("127.0.0.1", max_body_bytes=10) for _ in range(2))
    assert one.max_body_bytes == 10
    assert one.wrong_keys is not other.wrong_keys
