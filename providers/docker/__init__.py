"""Sandboxes as Docker containers."""

from providers.docker.provider import DockerProvider

__all__ = ["DockerProvider"]
