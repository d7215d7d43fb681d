from __future__ import annotations

import re

import pytest

from gladhand.errors import SettingsError
from gladhand.settings import Settings, TargetUri
from gladhand.targets import Target, read_target


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:7051", Target("127.0.0.1:7051", replicated=False)),
        ("orchestrator.internal:7051", Target("orchestrator.internal:7051", replicated=False)),
        ("[::1]:7051", Target("[::1]:7051", replicated=False)),
        ("static:10.0.0.1:7051", Target("10.0.0.1:7051", replicated=False)),
        ("static://orders/10.0.0.1:7051", Target("10.0.0.1:7051", replicated=False, tls_name="orders")),
        (
            "127.0.0.1:1, 127.0.0.1:2",
            Target("ipv4:127.0.0.1:1,127.0.0.1:2", replicated=True, tls_name="localhost"),
        ),
        ("static:[::1]:1,[::1]:2", Target("ipv6:[::1]:1,[::1]:2", replicated=True, tls_name="localhost")),
        ("10.0.0.1:1,10.0.0.2:1", Target("ipv4:10.0.0.1:1,10.0.0.2:1", replicated=True, tls_unnamed=True)),
        (
            "static://orders/10.0.0.1:1,10.0.0.2:1",
            Target("ipv4:10.0.0.1:1,10.0.0.2:1", replicated=True, tls_name="orders"),
        ),
        ("dns:///orders.internal:7051", Target("dns:///orders.internal:7051", replicated=True)),
        ("dns://10.0.0.53/orders.internal:7051", Target("dns://10.0.0.53/orders.internal:7051", replicated=True)),
        ("dns:orders.internal:7051", Target("dns:orders.internal:7051", replicated=True)),
        ("xds:///orders", Target("xds:///orders", replicated=True)),
        ("ipv4:10.0.0.1:1,10.0.0.2:1", Target("ipv4:10.0.0.1:1,10.0.0.2:1", replicated=True)),
        ("unix:/run/orders.sock", Target("unix:/run/orders.sock", replicated=False)),
    ],
)
def test_every_form_of_a_target_is_read(text: str, expected: Target) -> None:
    assert read_target(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is no target: give host:port"),
        ("orders", "is no target"),
        ("orders:", "no port between 1 and 65535 after 'orders'"),
        ("orders:0", "no port"),
        ("orders:65536", "no port"),
        ("orders:\N{SUPERSCRIPT TWO}", "no port"),
        ("http://orders:7051", "is no target"),
        (":7051", "is no target"),
        ("::1:7051", "is no target"),
        ("static:", "is no target"),
        ("static://orders", "is no target"),
        ("127.0.0.1:1,", "is no target"),
        ("127.0.0.1:1,127.0.0.1:1", "names an address twice"),
        ("a.internal:1,b.internal:1", "dns:///name:port"),
        ("127.0.0.1:1,[::1]:1", "mixes IPv4 and IPv6"),
        ("dns:///orders.internal", "is no target"),
        ("xds:///", "give host:port"),
    ],
)
def test_what_is_no_target_is_refused_with_the_remedy(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        read_target(text)


def test_a_setting_that_is_no_target_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    class OrderSettings(Settings):
        orders_target: TargetUri = "127.0.0.1:7051"

    monkeypatch.setenv("GLADHAND_ORDERS_TARGET", "a.internal:1,b.internal:1")
    with pytest.raises(SettingsError, match=r"GLADHAND_ORDERS_TARGET is wrong: .* give IP addresses, or a name"):
        OrderSettings.load()
