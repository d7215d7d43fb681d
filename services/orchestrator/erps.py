"""Which ERP gateway is asked about what: an order belongs to one ERP instance, and only that one is asked about it."""

from __future__ import annotations

from collections.abc import Mapping

from gladhand.errors import InvalidArgument
from services.orchestrator.gateways import ErpGateway


class ErpGateways:
    """The gateways of all ERP instances that the mesh knows, by the name that orders carry in `erp_instance`."""

    def __init__(self, gateways: Mapping[str, ErpGateway]) -> None:
        self._gateways = dict(gateways)
        self._only: ErpGateway | None = None

    @classmethod
    def only(cls, gateway: ErpGateway) -> ErpGateways:
        """Return one gateway that is asked about every order, however its ERP is named."""
        made = cls({})
        made._only = gateway
        return made

    @property
    def names(self) -> tuple[str, ...]:
        """The ERP instances that are known; none where one gateway is asked about everything."""
        return tuple(sorted(self._gateways))

    def of(self, erp_instance: str, *, field: str = "order.erp_instance") -> ErpGateway:
        """Return the gateway of an ERP instance.

        Raises InvalidArgument (ERP_INSTANCE_UNKNOWN) where there is none; `field` is where the name stands.
        """
        found = self._gateways.get(erp_instance, self._only)
        if found is None:
            raise InvalidArgument(
                f"no ERP gateway is known for {erp_instance!r}",
                field=field,
                remedy=f"name one of {', '.join(self.names) or 'none'}, or add {erp_instance or 'the ERP'}=HOST:PORT "
                "to GLADHAND_ERP_TARGETS of the orchestrator and start it again",
                reason="ERP_INSTANCE_UNKNOWN",
                metadata={"field": field, "erp_instance": erp_instance},
            )
        return found
