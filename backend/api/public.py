"""What anyone may ask: health, the catalog, the board."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from backend import catalog_view, leaderboard, platform
from backend.errors import UnknownBenchmark

router = APIRouter(prefix="/api", tags=["public"])


@router.get("/health")
async def health(request: Request) -> JSONResponse:
    """200 when database, MCP and the worker take work, else 503; says which of them do."""
    parts = await request.app.state.health()
    good = all(parts.values())
    return JSONResponse({"status": "ok" if good else "unavailable", **parts}, status_code=200 if good else 503)


@router.get("/benchmarks")
async def benchmarks() -> dict[str, Any]:
    """The four families."""
    return {"benchmarks": catalog_view.benchmarks(platform.current().catalog)}


@router.get("/leaderboard/{benchmark}")
async def board(benchmark: str) -> dict[str, Any]:
    """The family's published rows; 404 for anything that is not one of the four."""
    if benchmark not in {family["id"] for family in catalog_view.benchmarks(platform.current().catalog)}:
        raise UnknownBenchmark()
    async with platform.current().database.transaction() as tx:
        return await leaderboard.board(tx, benchmark)
