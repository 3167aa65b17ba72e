"""One sandbox per provider for the tests that only use it, fresh ones for those that end it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from providers.base import ExecRequest, ExecResult, ImageRef, ImageSpec, SandboxProvider, SandboxSpec
from providers.channel import Served
from providers.docker import DockerProvider
from providers.fake import FakeProvider

IMAGES = Path(__file__).resolve().parents[2] / "providers" / "images"
DEPLOYMENT = f"test-{secrets.token_hex(4)}"
Make = Callable[..., Awaitable[Any]]
Run = Callable[..., Awaitable[ExecResult]]


def new(kind: str, place: Path) -> SandboxProvider:
    return DockerProvider(place) if kind == "docker" else FakeProvider(place)


def spec(image: ImageRef, **changes: Any) -> SandboxSpec:
    given = {"key": f"sbx-{secrets.token_hex(8)}", "deployment": DEPLOYMENT, "run_id": "run_contract", "image": image}
    return SandboxSpec(**{**given, **changes})


def command(script: str, **changes: Any) -> ExecRequest:
    return ExecRequest(**{"call_id": secrets.token_hex(8), "argv": ("bash", "-c", script), **changes})


@pytest.fixture(scope="session", params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def place(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(kind)


@pytest.fixture(scope="session")
def image(kind: str, place: Path) -> ImageRef:
    return asyncio.run(_prepared(kind, place))


async def _prepared(kind: str, place: Path) -> ImageRef:
    provider = new(kind, place)
    found = await provider.prepare_image(ImageSpec(name="clawbench/entry-test", context=IMAGES / "entry-test"))
    await provider.aclose()
    return found


@pytest.fixture(scope="session")
def shared_key(kind: str, place: Path, image: ImageRef) -> Iterator[str]:
    """A sandbox that lives as long as the session and is found again, by its key, in every test."""

    async def up() -> str:
        provider = new(kind, place)
        sandbox = await provider.create(spec(image, lease_s=1800))
        await provider.aclose()
        return sandbox.info.key

    async def down(key: str) -> None:
        provider = new(kind, place)
        await provider.destroy(key)
        await provider.aclose()

    key = asyncio.run(up())
    yield key
    asyncio.run(down(key))


@pytest.fixture
async def provider(kind: str, place: Path) -> AsyncIterator[SandboxProvider]:
    made = new(kind, place)
    yield made
    await made.aclose()


@pytest.fixture
async def box(provider: SandboxProvider, shared_key: str) -> Any:
    sandbox = await provider.attach(shared_key)
    await sandbox.exec(command('find "$PWD" -mindepth 1 -delete'))
    return sandbox


@pytest.fixture
def run(box: Served) -> Run:
    async def run(script: str, **changes: Any) -> ExecResult:
        return await box.exec(command(script, **changes))

    return run


@pytest.fixture
async def make(provider: SandboxProvider, image: ImageRef) -> AsyncIterator[Make]:
    """Make a fresh sandbox; whatever a test made is destroyed after it."""
    keys = []

    async def make(**changes: Any) -> Any:
        wanted = spec(image, **changes)
        keys.append(wanted.key)
        return await provider.create(wanted)

    yield make
    for key in keys:
        await provider.destroy(key)


async def until(check: Callable[[], Awaitable[Any]], seconds: float = 20.0) -> Any:
    """Ask again until the answer is true; fail when it never is."""
    async with asyncio.timeout(seconds):
        while not (found := await check()):
            await asyncio.sleep(0.02)
    return found
