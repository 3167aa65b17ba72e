"""The Docker engine's control plane: blocking calls in a small thread pool, every error turned into one of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import requests
from docker import APIClient
from docker.errors import APIError, DockerException, NotFound
from docker.utils import kwargs_from_env

from providers.base import Dispatched, ProviderUnavailable, SandboxError, SandboxLost

T = TypeVar("T")
THREADS = 8
ANSWER_S = 60
UNREACHED = ("Connection refused", "No such file or directory", "Permission denied")
REMEDY = "Start the Docker engine, or point DOCKER_HOST at one that this user may use."


class Engine:
    """One Docker engine, as the environment names it; nothing is asked of it before the first call."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="docker")
        self._api: APIClient | None = None

    async def call(self, work: Callable[[APIClient], T], *, missing: type[SandboxError] = SandboxLost) -> T:
        """Do blocking work with the engine. Raises ProviderUnavailable, or `missing` for what the engine has not."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._guarded, work, missing)

    def _guarded(self, work: Callable[[APIClient], T], missing: type[SandboxError]) -> T:
        try:
            return work(self._connected())
        except NotFound as error:
            raise missing(explanation(error)) from error
        except APIError as error:
            dispatched = Dispatched.NO if error.is_client_error() else Dispatched.UNKNOWN
            raise ProviderUnavailable(f"Docker refused: {explanation(error)}", dispatched=dispatched) from error
        except (DockerException, requests.RequestException) as error:
            unreached = any(word in str(error) for word in UNREACHED)
            dispatched = Dispatched.NO if unreached else Dispatched.UNKNOWN
            raise ProviderUnavailable(f"The Docker engine does not answer. {REMEDY}", dispatched=dispatched) from error

    def _connected(self) -> APIClient:
        if self._api is None:
            self._api = APIClient(version="auto", timeout=ANSWER_S, max_pool_size=THREADS, **kwargs_from_env())
        return self._api

    async def inspect(self, name: str) -> dict[str, Any]:
        """Everything the engine knows of a container. Raises SandboxLost."""
        return await self.call(lambda api: api.inspect_container(name))

    def close(self) -> None:
        """End the threads; calls under way end by themselves."""
        self._threads.shutdown(wait=False)
        if self._api is not None:
            self._api.close()


def explanation(error: APIError) -> str:
    """What the engine itself said, in one line."""
    text = error.explanation if isinstance(error.explanation, str) else str(error)
    return " ".join(text.split())[:600]
