"""Rates and life stages at a running server, counted and not timed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from gladhand.client import call, channel
from gladhand.errors import ResourceFull, SettingsError, StartRefused, Unsupported
from gladhand.settings import Settings
from gladhand.testing import eventually
from tests.adapters.serving.door import Guarded, Issuer, asking, bearer, guarding
from tests.adapters.serving.test_chain import details, refused
from tests.adapters.serving.trial import guarded

pb2, stubs = guarded()


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


async def test_a_flood_of_one_client_takes_nothing_from_the_others(issuer: Issuer) -> None:
    servicer = Guarded()
    loud, quiet = bearer(issuer.token(sub="loud")), bearer(issuer.token(sub="quiet"))
    # So slow that nothing fills up again while the test runs.
    async with asking(servicer, insecure=True, jwks=str(issuer.jwks), rates="READ=1/h:20") as stub:
        flood = [stub.Look(pb2.LookRequest(), metadata=loud) for _ in range(300)]
        calm = [stub.Look(pb2.LookRequest(), metadata=quiet) for _ in range(20)]
        ended: list[Any] = await asyncio.gather(*flood, *calm, return_exceptions=True)
    refusals = [end for end in ended if isinstance(end, grpc.aio.AioRpcError)]
    assert servicer.answered == {"loud": 20, "quiet": 20}
    assert {error.code() for error in refusals} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert len(refusals) == 280
    found = details(refusals[0])
    assert found["ErrorInfo"].reason == "RATE_LIMITED"
    assert dict(found["ErrorInfo"].metadata) == {"rate_class": "READ", "method": "/guarded.v1.GuardedService/Look"}
    assert 0 < found["RetryInfo"].retry_delay.ToSeconds() <= 3600


async def test_a_client_that_holds_streams_open_takes_nothing_from_the_others(issuer: Issuer) -> None:
    async with asking(insecure=True, jwks=str(issuer.jwks), max_concurrent_calls=12) as stub:
        ann, bob = bearer(issuer.token()), bearer(issuer.token(sub="bob"))
        held = [stub.Follow(pb2.LookRequest(), metadata=ann) for _ in range(3)]
        for stream in held:
            await stream.read()
        for method in (stub.Look(pb2.LookRequest(), metadata=ann), stub.Follow(pb2.LookRequest(), metadata=ann).read()):
            error = await refused(method)
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert details(error)["ErrorInfo"].reason == "RATE_LIMITED"
            assert details(error)["ErrorInfo"].metadata["in_hand"] == "3"
        assert (await stub.Look(pb2.LookRequest(), metadata=bob)).caller == "bob"
        held[0].cancel()

        async def let_in_again() -> bool:
            try:
                return bool((await stub.Look(pb2.LookRequest(), metadata=ann)).caller)
            except grpc.aio.AioRpcError:
                return False

        await eventually(let_in_again)
        for stream in held:
            stream.cancel()


async def test_classes_are_counted_apart_and_two_tokens_of_one_client_together(issuer: Issuer) -> None:
    first = bearer(issuer.token(scope="guarded.admin guarded.read"))
    second = bearer(issuer.token(scope="guarded.admin guarded.read", jti="2"))
    async with asking(insecure=True, jwks=str(issuer.jwks), rates="READ=1/h:2,FINANCE=1/h:1") as stub:
        await stub.Look(pb2.LookRequest(), metadata=first)
        await stub.Look(pb2.LookRequest(), metadata=second)
        await refused(stub.Look(pb2.LookRequest(), metadata=first))
        await stub.Inspect(pb2.LookRequest(), metadata=first)
        error = await refused(stub.Inspect(pb2.LookRequest(), metadata=second))
    assert details(error)["ErrorInfo"].metadata["rate_class"] == "FINANCE"


async def test_replicas_share_what_a_client_may(issuer: Issuer) -> None:
    servicer = Guarded()
    who = bearer(issuer.token())
    async with asking(servicer, insecure=True, jwks=str(issuer.jwks), rates="READ=1/h:20", service_replicas=4) as stub:
        calls = [stub.Look(pb2.LookRequest(), metadata=who) for _ in range(20)]
        await asyncio.gather(*calls, return_exceptions=True)
    assert servicer.answered == {"ann": 5}


async def test_a_pause_told_by_the_server_reaches_our_own_client(issuer: Issuer) -> None:
    async with (
        guarding(insecure=True, jwks=str(issuer.jwks), rates="READ=1/h:1") as running,
        channel(running.target, pb2.DESCRIPTOR) as ours,
    ):
        stub = stubs.GuardedServiceStub(ours)
        who = bearer(issuer.token())
        await call(stub.Look(pb2.LookRequest(), metadata=who))
        with pytest.raises(ResourceFull) as caught:
            await call(stub.Look(pb2.LookRequest(), metadata=who))
    assert caught.value.reason == "RATE_LIMITED"
    assert caught.value.retry_after_s is not None


async def test_a_deprecated_method_answers_and_says_when_it_goes_and_what_comes(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    async with asking(insecure=True, jwks=str(issuer.jwks)) as stub:
        for name in ("ann", "ann"):
            await stub.Peek(pb2.LookRequest(), metadata=bearer(issuer.token(sub=name)))
        pending = stub.Peek(pb2.LookRequest(), metadata=bearer(issuer.token(sub="bob")))
        assert (await pending).caller == "bob"
        told = dict(await pending.trailing_metadata())
        stays = stub.Look(pb2.LookRequest(), metadata=bearer(issuer.token()))
        await stays
        assert "deprecation" not in dict(await stays.trailing_metadata())
    assert told["deprecation"] == "@1577836800"
    assert told["sunset"] == "Wed, 30 Jun 2021 23:59:59 GMT"
    assert told["replacement"] == "guarded.v1.GuardedService/Look"
    assert told["link"] == '</guarded.v1.GuardedService/Look>; rel="successor-version"'
    lines = [record for record in caplog.records if record.message == "a deprecated method is called"]
    assert [record.facts["caller"] for record in lines] == ["ann", "bob"]  # type: ignore[attr-defined]


async def test_past_its_sunset_a_method_is_refused_where_that_is_configured(issuer: Issuer) -> None:
    async with (
        guarding(insecure=True, jwks=str(issuer.jwks), refuse_sunset=True) as running,
        channel(running.target, pb2.DESCRIPTOR) as ours,
    ):
        stub = stubs.GuardedServiceStub(ours)
        with pytest.raises(Unsupported) as caught:
            await call(stub.Peek(pb2.LookRequest(), metadata=bearer(issuer.token())))
    assert caught.value.reason == "METHOD_RETIRED"
    assert caught.value.metadata == {"sunset": "2021-06-30", "replacement": "guarded.v1.GuardedService/Look"}


async def test_a_start_that_lets_nobody_or_everybody_in_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "jwks.json"
    broken.write_text('{"keys": []}')
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "GLADHAND_INSECURE"),
        ({"insecure": True, "host": "0.0.0.0"}, "127.0.0.1"),
        ({"insecure": True, "jwks": str(tmp_path / "missing.json")}, "GLADHAND_JWKS"),
        ({"insecure": True, "jwks": str(broken)}, "GLADHAND_JWKS"),
    ]
    for settings, words in wrong:
        with pytest.raises(StartRefused, match=words):
            async with guarding(**settings):
                pytest.fail("it must not serve")


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("GLADHAND_RATES", "READ", "READ=200/s:400"),
        ("GLADHAND_RATES", "LOOK=1/s:1", "BULK, READ, COMMAND, FINANCE"),
        ("GLADHAND_RATES", "READ=0/s:1", "above 0"),
        ("GLADHAND_RATES", "READ=1/s:0", "at least 1"),
        ("GLADHAND_JWKS", "http://keys.example/jwks.json", "over https"),
        ("GLADHAND_JWKS", "ftp://127.0.0.1/jwks.json", "over https"),
        ("GLADHAND_CLOCK_SKEW_S", "301", "0 to 300"),
        ("GLADHAND_SERVICE_REPLICAS", "0", "1 to 1000"),
    ],
)
def test_wrong_settings_name_their_remedy(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, remedy: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable) as caught:
        Settings.load()
    assert remedy in caught.value.message
