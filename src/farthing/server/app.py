"""The cost server as one application."""

from typing import Any, Final

from fastapi import FastAPI

from farthing.server import costs, opencost, problems
from farthing.server.bounds import Front
from farthing.server.context import Context

_SAYS: Final = """What GPUs cost, out of Farthing's ledger. Read only.

Send a Kubernetes token as `Authorization: Bearer TOKEN`. You see the teams that RBAC lets you `get` or `use`
(`teams.farthing.dev`, by name); who may for all names sees everything, idle capacity too.

Money is exact decimal text. Days are of UTC. Errors are problem details, RFC 9457."""


def cost_app(context: Context) -> FastAPI:
    """The application that answers out of a ledger."""
    app = described()
    app.state.context = context
    app.add_middleware(Front)
    app.openapi_schema = openapi()
    return app


def described() -> FastAPI:
    """The routes without a ledger: what OpenAPI is printed from."""
    app = FastAPI(
        title="Farthing cost API",
        version="v1",
        description=_SAYS,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # the pages load their scripts from elsewhere
        redoc_url=None,
    )
    problems.install(app)
    app.include_router(costs.open_router)
    app.include_router(costs.router)
    app.include_router(opencost.router)
    return app


def openapi() -> dict[str, Any]:
    """The API's description as OpenAPI has it, without FastAPI's own shape of errors, which is never used."""
    found = described().openapi()
    for operations in found["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        found["components"]["schemas"].pop(name, None)
    return found
