"""How identities are written in certificates."""

from __future__ import annotations

import pytest

from gladhand.security.names import host_name, identity_in, is_identity, spiffe_uri


def test_an_identity_is_read_back_from_its_uri() -> None:
    assert spiffe_uri("erp_gateway") == "spiffe://gladhand.local/erp_gateway"
    assert identity_in([spiffe_uri("erp_gateway")]) == "erp_gateway"
    assert identity_in([spiffe_uri("erp_gateway", "gladhand.eu")], "gladhand.eu") == "erp_gateway"


@pytest.mark.parametrize(
    "uris",
    [
        [],
        ["spiffe://gladhand.eu/operator"],
        ["spiffe://gladhand.local.evil.example/operator"],
        ["spiffe://gladhand.local/operator", "spiffe://gladhand.local/orchestrator"],
        ["spiffe://gladhand.local/"],
        ["spiffe://gladhand.local/ns/default/operator"],
        ["spiffe://gladhand.local/Operator"],
        ["spiffe://gladhand.local/operator\n"],
        ["https://gladhand.local/operator"],
        ["operator"],
    ],
)
def test_what_is_not_just_one_identity_of_the_domain_is_nobody(uris: list[str]) -> None:
    assert identity_in(uris) is None


def test_a_host_name_holds_no_underscore_and_no_two_identities_share_one() -> None:
    assert host_name("erp_gateway") == "erp-gateway.gladhand.local"
    assert not is_identity("erp-gateway")
