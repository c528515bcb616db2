"""What kubelet calls: registration, preparing and unpreparing, the health of devices. Over gRPC on Unix sockets.

The services are read from upstream's descriptors, so the v1 and v1beta1 of one service are one implementation.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import grpc
import structlog
from google.protobuf.message_factory import GetMessageClass

from farthing.model.errors import FarthingError
from farthing.node.cdi import device_id
from farthing.node.checkpoint import Record
from farthing.node.health import HealthBoard
from farthing.node.prepare import Preparer
from farthing.node.share import ClaimName
from farthing.node.sockets import Sockets
from farthing.node.wire import dra_v1_pb2, dra_v1beta1_pb2, health_v1_pb2, health_v1alpha1_pb2, registration_pb2

_log = structlog.get_logger(__name__)

VERSIONS: Final = ("v1.DRAPlugin", "v1beta1.DRAPlugin", "v1.DRAResourceHealth", "v1alpha1.DRAResourceHealth")
"""What kubelet is told that we speak: short names, not gRPC's."""

HEALTH_TIMEOUT_SECONDS: Final = 120
Method = Callable[[Any, Any], Any]


@dataclass
class Service:
    """Our answers. `registered` is told whether kubelet took us; `prepared` what is ready from now on.

    `busy` is how many claims are being worked at.
    """

    preparer: Preparer
    health: HealthBoard
    sockets: Sockets
    registered: Callable[[bool, str], None]
    prepared: Callable[[Record], None]
    timer: Callable[[str, str, float], None]
    steady: Callable[[], float]
    busy: int = 0
    _servers: list[grpc.aio.Server] = field(default_factory=list)

    async def start(self) -> None:
        """Listen, first for calls and then for kubelet to find us."""
        self.sockets.clear()
        dra = [handler(module, "DRAPlugin", self._dra(module)) for module in (dra_v1_pb2, dra_v1beta1_pb2)]
        health = [
            handler(module, "DRAResourceHealth", {"NodeWatchResources": self._watch(module)})
            for module in (health_v1_pb2, health_v1alpha1_pb2)
        ]
        introduction = {"GetInfo": self._info, "NotifyRegistrationStatus": self._status}
        await self._listen(self.sockets.service, [*dra, *health])
        await self._listen(self.sockets.registration, [handler(registration_pb2, "Registration", introduction)])

    async def stop(self) -> None:
        """Stop being found, finish what is being done, go."""
        for path, server in zip((self.sockets.registration, self.sockets.service), self._servers[::-1], strict=False):
            path.unlink(missing_ok=True)
            await server.stop(grace=10)

    async def _listen(self, path: Path, handlers: list[grpc.GenericRpcHandler]) -> None:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers(tuple(handlers))
        server.add_insecure_port(f"unix://{path}")
        await server.start()
        self._servers.append(server)

    # Answers ------------------------------------------------------------------------------------------------------

    async def _info(self, _request: Any, _context: Any) -> Any:
        return registration_pb2.PluginInfo(
            type="DRAPlugin",
            name=self.sockets.driver,
            endpoint=str(self.sockets.service),
            supported_versions=list(VERSIONS),
        )

    async def _status(self, request: Any, _context: Any) -> Any:
        self.registered(request.plugin_registered, request.error)
        return registration_pb2.RegistrationStatusResponse()

    def _dra(self, module: ModuleType) -> dict[str, Method]:
        async def prepare(request: Any, _context: Any) -> Any:
            answer = module.NodePrepareResourcesResponse()
            work = [one(claim, answer.claims[claim.uid]) for claim in request.claims]
            if len(work) == 1:
                await work[0]  # as kubelet does for most pods; a task more for each would be felt in a burst
            else:
                await asyncio.gather(*work)
            return answer

        async def one(claim: Any, entry: Any) -> None:
            record = await self._timed("prepare", self._prepare(claim), entry)
            if record is not None:
                entry.devices.extend(_devices(module, record, self.preparer.pool))

        async def unprepare(request: Any, _context: Any) -> Any:
            answer = module.NodeUnprepareResourcesResponse()
            for claim in request.claims:
                entry = answer.claims[claim.uid]
                await self._timed("unprepare", self._unprepare(claim), entry)
            return answer

        return {"NodePrepareResources": prepare, "NodeUnprepareResources": unprepare}

    async def _prepare(self, claim: Any) -> Record:
        record = await self.preparer.prepare(ClaimName(claim.namespace, claim.name, claim.uid))
        self.prepared(record)
        return record

    async def _unprepare(self, claim: Any) -> None:
        await self.preparer.unprepare(ClaimName(claim.namespace, claim.name, claim.uid))

    async def _timed(self, call: str, work: Awaitable[Record | None], entry: Any) -> Record | None:
        """Do it; an error becomes the claim's own, which kubelet shows at the pod and tries again."""
        start = self.steady()
        outcome = "done"
        self.busy += 1
        try:
            return await work
        except FarthingError as error:
            outcome = "refused"
            entry.error = str(error)
            _log.warning(f"cannot {call}", error=str(error))
        except Exception:  # noqa: BLE001 -- kubelet must get an answer for each claim
            outcome = "failed"
            entry.error = f"cannot {call}: the driver met an error that it does not know; its log says more"
            _log.exception(f"cannot {call}")
        finally:
            self.busy -= 1
            self.timer(call, outcome, self.steady() - start)
        return None

    def _watch(self, module: ModuleType) -> Method:
        async def watch(_request: Any, _context: Any) -> AsyncIterator[Any]:
            async for seen in self.health.follow():
                yield module.NodeWatchResourcesResponse(
                    devices=[
                        module.DeviceHealth(
                            device=module.DeviceIdentifier(pool_name=self.preparer.pool, device_name=device.name),
                            health=module.UNHEALTHY if device.broken else module.HEALTHY,
                            last_updated_time=int(seen.at),
                            health_check_timeout_seconds=HEALTH_TIMEOUT_SECONDS,
                            message=device.broken.sentence if device.broken else "",
                        )
                        for device in seen.inventory.devices
                    ]
                )

        return watch


def _devices(module: ModuleType, record: Record, pool: str) -> list[Any]:
    """The shares as kubelet wants them; v1beta1 has no share ids.

    A request's devices are one CDI device, named once: a runtime would do its edits as often as it is named.
    """
    knows_shares = "share_id" in module.Device.DESCRIPTOR.fields_by_name
    found = []
    named: set[str] = set()
    for share in record.shares:
        device = module.Device(request_names=[share.request], pool_name=pool, device_name=share.device)
        if share.request not in named:
            device.cdi_device_ids.append(device_id(record.claim.uid, share.request))
            named.add(share.request)
        if knows_shares and share.share_id:
            device.share_id = share.share_id
        found.append(device)
    return found


def handler(module: ModuleType, service: str, methods: Mapping[str, Method]) -> grpc.GenericRpcHandler:
    """A gRPC handler for a service of a module made from protos."""
    found = module.DESCRIPTOR.services_by_name[service]
    handlers = {}
    for method in found.methods:
        kind = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        handlers[method.name] = kind(
            methods[method.name],
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
    return grpc.method_handlers_generic_handler(found.full_name, handlers)
