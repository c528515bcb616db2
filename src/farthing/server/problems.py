"""One shape for all that goes wrong: problem details, RFC 9457, as `application/problem+json`."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from farthing.model.errors import ConflictError, FarthingError, InvalidError, NotFoundError, TransientError

_log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 5


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it. `where` names the parameter, where one is to blame."""

    type: str = Field(default="about:blank", description="Always about:blank: the status says what kind it is.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="A sentence for a person: what happened, and what to do.")
    where: str | None = Field(default=None, description="The parameter that is to blame.")


class RefusedError(FarthingError):
    """Who asks may not have this, or not now."""

    def __init__(self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def install(app: FastAPI) -> None:
    """Let an app answer with problems."""
    app.add_exception_handler(FarthingError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def problem(
    status: HTTPStatus, detail: str, where: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A response that says what went wrong."""
    content = Problem(title=status.phrase, status=status, detail=detail, where=where).model_dump(exclude_none=True)
    return JSONResponse(content, status, dict(headers or {}), media_type="application/problem+json")


def of_error(error: FarthingError) -> tuple[HTTPStatus, str, str | None, Mapping[str, str]]:
    """An error's status, sentence, field and headers."""
    match error:
        case RefusedError():
            return error.status, str(error), None, error.headers
        case InvalidError():
            where = error.where.removeprefix("--")
            return HTTPStatus.BAD_REQUEST, f"{where}: {error.message}" if where else error.message, where or None, {}
        case NotFoundError():
            return HTTPStatus.NOT_FOUND, str(error), None, {}
        case ConflictError():
            return HTTPStatus.CONFLICT, str(error), None, {}
        case TransientError():
            retry = {"Retry-After": str(int(error.retry_after or RETRY_SECONDS))}
            return HTTPStatus.SERVICE_UNAVAILABLE, str(error), None, retry
        case _:
            return HTTPStatus.INTERNAL_SERVER_ERROR, str(error), None, {}


async def _ours(_: Request, error: Any) -> JSONResponse:
    return problem(*of_error(error))


async def _invalid(_: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    where = str(first["loc"][-1])
    return problem(HTTPStatus.BAD_REQUEST, f"{where}: {first['msg']}", where)


async def _http(_: Request, error: Any) -> JSONResponse:
    return problem(HTTPStatus(error.status_code), str(error.detail), headers=error.headers)


async def _unexpected(_: Request, error: Exception) -> JSONResponse:
    _log.error("unexpected", exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "something unexpected happened; the server's log says what")
