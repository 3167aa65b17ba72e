"""Settings: what is read, what is made, what stops the start."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from backend import settings
from backend.errors import SetupFailed

pytestmark = pytest.mark.proves("settings.read")

LONG = "s" * 40


def test_a_secret_is_made_once_owner_only_when_postgres_is_embedded(tmp_path: Path) -> None:
    first = settings.load({"CLAWBENCH_DATA": str(tmp_path)})
    assert settings.load({"CLAWBENCH_DATA": str(tmp_path)}).secret_key == first.secret_key
    kept = tmp_path / "secrets" / "secret_key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert first.secret_key not in repr(first)


def test_with_an_outside_postgres_a_missing_secret_stops_the_start(tmp_path: Path) -> None:
    env = {"CLAWBENCH_DATA": str(tmp_path), "CLAWBENCH_DATABASE_URL": "postgresql+asyncpg://u:p4ssw0rd@db/x"}
    with pytest.raises(SetupFailed, match="CLAWBENCH_SECRET_KEY is not set"):
        settings.load(env)
    chosen = settings.load(env | {"CLAWBENCH_SECRET_KEY": LONG})
    assert chosen.known_secrets == {"secret-key": LONG, "database-password": "p4ssw0rd"}
    assert "p4ssw0rd" not in repr(chosen)


@pytest.mark.parametrize(
    "env",
    [
        {"CLAWBENCH_PORT": "http"},
        {"CLAWBENCH_PORT": "70000"},
        {"CLAWBENCH_IMAGE_ALIASES": "a=b,c"},
        {"CLAWBENCH_SECRET_KEY": "short"},
        {"CLAWBENCH_IDLE_LIMIT_S": "soon"},
        {"CLAWBENCH_PUBLIC_URL": "bench"},
        {"CLAWBENCH_PROVIDER": "podman"},
        {"CLAWBENCH_DATABASE_URL": "mysql://x", "CLAWBENCH_SECRET_KEY": LONG},
    ],
)
def test_an_unusable_value_is_named(tmp_path: Path, env: dict[str, str]) -> None:
    with pytest.raises(SetupFailed, match=next(iter(env))):
        settings.load({"CLAWBENCH_DATA": str(tmp_path), **env})


def test_replicas_with_one_secret_are_one_deployment(tmp_path: Path) -> None:
    one, two = (settings.load({"CLAWBENCH_DATA": str(tmp_path / n), "CLAWBENCH_SECRET_KEY": LONG}) for n in "ab")
    assert one.deployment == two.deployment
    other = settings.load({"CLAWBENCH_DATA": str(tmp_path), "CLAWBENCH_SECRET_KEY": LONG + "x"})
    assert other.deployment != one.deployment


def test_both_local_names_and_the_public_one_are_our_hosts(tmp_path: Path) -> None:
    chosen = settings.load(
        {"CLAWBENCH_DATA": str(tmp_path), "CLAWBENCH_PORT": "4000", "CLAWBENCH_PUBLIC_URL": "https://bench.example/"}
    )
    assert chosen.hosts == ["127.0.0.1:4000", "bench.example", "localhost:4000"]
    assert "https://bench.example" in chosen.origins
