"""A DRA plugin that does nothing but answer: what gRPC alone costs. `python -m bench.answers SOCKET`."""

import asyncio
import sys
from typing import Any

import grpc

from farthing.node.server import handler
from farthing.node.wire import dra_v1_pb2


async def _answer(request: Any, _context: Any) -> Any:
    answer = dra_v1_pb2.NodePrepareResourcesResponse()
    for claim in request.claims:
        answer.claims[claim.uid].devices.add(pool_name="n", device_name="gpu-0", cdi_device_ids=["vendor/gpu=0"])
    return answer


async def _serve(socket: str) -> None:
    server = grpc.aio.server()
    methods = {"NodePrepareResources": _answer, "NodeUnprepareResources": _answer}
    server.add_generic_rpc_handlers((handler(dra_v1_pb2, "DRAPlugin", methods),))
    server.add_insecure_port(f"unix://{socket}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
