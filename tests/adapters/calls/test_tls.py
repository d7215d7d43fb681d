"""Replicas behind one name, each with a certificate of the identity that they share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gladhand import errors
from gladhand.client import call, channel
from gladhand.security.credentials import TlsCredentials
from gladhand.security.folder import TlsFolder
from gladhand.server import ServiceProcess
from gladhand.settings import Settings
from gladhand.testing.waiting import eventually
from logistics.server.v1 import server_service_pb2
from tests.adapters import certified
from tests.adapters.serving.trial import Trial, compiled, know_callers

pb2, stubs = compiled()


class Secured:
    """Two replicas of the trial service, and who calls them."""

    def __init__(self, folder: Path) -> None:
        self.folder = certified.secured(folder, "trial", "orchestrator")
        self.own = TlsCredentials(TlsFolder(folder / "orchestrator"))
        self.trials = [Trial(), Trial()]
        self.addresses: list[str] = []

    async def start(self, stack: AsyncExitStack) -> None:
        for trial in self.trials:

            async def build(process: ServiceProcess[Settings], trial: Trial = trial) -> None:
                process.add_servicer(stubs.add_TrialServiceServicer_to_server, trial, own_idempotency=True)
                know_callers(process)

            process = ServiceProcess("trial", Settings(grace_s=1.0, tls_dir=self.folder / "trial", insecure=False))
            running = await stack.enter_async_context(process.serving(build))
            self.addresses.append(running.target)


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    async with AsyncExitStack() as stack:
        both = Secured(tmp_path / "secure")
        await both.start(stack)
        yield both


async def reaches_both(target: str, secured: Secured) -> bool:
    async with channel(target, pb2.DESCRIPTOR, credentials=secured.own) as opened:
        stub = stubs.TrialServiceStub(opened)

        async def both() -> bool:
            await call(stub.Append(pb2.WriteRequest(request_id="0" * 8 + "-0000-0000-0000-" + "0" * 12, name="a")))
            return all(trial.calls for trial in secured.trials)

        return await eventually(both)


async def test_replicas_are_known_by_the_identity_that_the_contract_declares(secured: Secured) -> None:
    assert await reaches_both(",".join(secured.addresses), secured)


async def test_replicas_are_known_by_the_name_that_the_target_gives(secured: Secured) -> None:
    assert await reaches_both(f"static://trial.gladhand.local/{','.join(secured.addresses)}", secured)


async def test_replicas_with_a_certificate_for_another_name_are_not_called(secured: Secured) -> None:
    with pytest.raises(errors.Unavailable):
        await reaches_both(f"static://orchestrator.gladhand.local/{','.join(secured.addresses)}", secured)
    assert [trial.calls for trial in secured.trials] == [[], []]


async def test_a_list_of_replicas_whose_identity_nobody_declares_needs_a_name(secured: Secured) -> None:
    listed = "10.0.0.1:1,10.0.0.2:1"
    with pytest.raises(errors.SettingsError, match=r"static://NAME/"):
        async with channel(listed, server_service_pb2.DESCRIPTOR, credentials=secured.own):
            pytest.fail("it must not open")
