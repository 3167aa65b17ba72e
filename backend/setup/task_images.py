"""The images that the installed tasks run in, built before anybody waits for one."""

from __future__ import annotations

import asyncio

from backend.catalog.images import recipe
from backend.catalog.tasks import catalog
from backend.errors import SetupFailed
from backend.settings import Settings
from backend.setup.progress import step
from providers.base import ImageSpec, SandboxError
from providers.docker.provider import DockerProvider


def ensure(settings: Settings) -> None:
    """Have the image of every installed task in the engine. Raises SetupFailed."""
    tasks = [task for tasks in catalog().tasks.values() for task in tasks]
    with step("Task images") as current:
        names = sorted({settings.image_aliases.get(task.image, task.image) for task in tasks if task.image})
        for name in names:
            current.say(f"preparing {name} (built once, a minute or two)")
            try:
                asyncio.run(_prepare(settings, name))
            except SandboxError as error:
                raise SetupFailed(f"The image {name} cannot be made: {' '.join(str(error).split())[-600:]}") from error
        current.done(", ".join(names))


async def _prepare(settings: Settings, name: str) -> None:
    provider = DockerProvider(settings.runtime)
    try:
        await provider.prepare_image(ImageSpec(name=name, context=recipe(name)))
    finally:
        await provider.aclose()
