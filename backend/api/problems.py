"""How every error leaves over HTTP: the contract's object with the matching status, and nothing of what caused it."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from backend.errors import ClawBenchError, Internal, InvalidArgument, NotFound

log = structlog.get_logger()


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class Problem(BaseModel):
    """Every error's object."""

    code: str
    message: str
    retryable: bool


DECLARED: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "The credential is not good."},
    403: {"model": Problem, "description": "The credential may not do that."},
    404: {"model": Problem, "description": "There is nothing of that id that you may see."},
    422: {"model": Problem, "description": "An argument is not valid."},
    503: {"model": Problem, "description": "The platform cannot do that just now."},
}


async def absent(request: Request) -> JSONResponse:
    """Say of an address under /api that it is not there, or does not take that method."""
    others = [route for route in request.app.router.routes if getattr(route, "endpoint", None) is not absent]
    taken = [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] == Match.FULL for route in others)
    ]
    if taken:
        body = {"code": "invalid_argument", "message": "That address does not take that method.", "retryable": False}
        return JSONResponse(body, status_code=405, headers={"allow": ", ".join(taken)})
    return answer(NotFound())


def answer(error: ClawBenchError, *, headers: dict[str, str] | None = None) -> JSONResponse:
    """The error as a response."""
    return JSONResponse(error.body(), status_code=error.status, headers=headers)


def register(app: FastAPI) -> None:
    """Have the app answer every kind of trouble in one form."""

    @app.exception_handler(ClawBenchError)
    async def ours(request: Request, error: ClawBenchError) -> JSONResponse:
        headers = {"www-authenticate": "Bearer"} if error.status == 401 else None
        return answer(error, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def shape(request: Request, error: RequestValidationError) -> JSONResponse:
        places = sorted({".".join(str(part) for part in found["loc"]) for found in error.errors()})
        return answer(InvalidArgument(f"({', '.join(places)})"))

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 404:
            return answer(NotFound())
        body = {"code": "invalid_argument", "message": str(error.detail), "retryable": False}
        return JSONResponse(body, status_code=error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        log.error("http.failed", path=request.url.path, error=repr(error))
        return answer(Internal())
