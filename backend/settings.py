"""Everything that can be set, read once from the environment into one frozen object."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from backend.errors import SetupFailed

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The platform's settings; `load` makes it, nothing changes it."""

    port: int
    data: Path
    database_url: str | None = field(repr=False)
    public_url: str
    image_aliases: Mapping[str, str]
    provider: str
    secret_key: str = field(repr=False)
    idle_limit_s: int
    run_wall_s: int
    lease_s: int = 120

    @property
    def embedded(self) -> bool:
        """Whether Postgres is ours to start and stop."""
        return self.database_url is None

    @property
    def deployment(self) -> str:
        """A name that all replicas share and that labels every container of ours."""
        return hmac.new(self.secret_key.encode(), b"deployment", hashlib.sha256).hexdigest()[:12]

    @property
    def runtime(self) -> Path:
        """A short, private directory for sockets (a socket's path may be 107 bytes long)."""
        base = Path("/run") if os.geteuid() == 0 and Path("/run").is_dir() else Path(tempfile.gettempdir())
        return base / f"clawbench-{self.deployment}"

    @property
    def hosts(self) -> list[str]:
        """Names under which browsers and agents may address us (DNS rebinding is refused by this list)."""
        public = urlsplit(self.public_url).netloc
        return sorted({f"127.0.0.1:{self.port}", f"localhost:{self.port}", public})

    @property
    def origins(self) -> list[str]:
        local = {f"http://127.0.0.1:{self.port}", f"http://localhost:{self.port}"}
        return sorted(local | {self.public_url.rstrip("/")})

    @property
    def known_secrets(self) -> dict[str, str]:
        """Every secret value the platform itself holds, by name: what redaction must never let through."""
        found = {"secret-key": self.secret_key}
        if self.database_url and (password := urlsplit(self.database_url).password):
            found["database-password"] = password
        return found


def load(env: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment.

    Raises: SetupFailed when a value is unusable, or when a secret is missing beside an outside Postgres.
    """
    env = os.environ if env is None else env
    port = _port(env.get("CLAWBENCH_PORT") or "3910")
    data = Path(env.get("CLAWBENCH_DATA") or ".data")
    data = data if data.is_absolute() else ROOT / data
    url = env.get("CLAWBENCH_DATABASE_URL") or None
    return Settings(
        port=port,
        data=data,
        database_url=_database(url),
        public_url=_public(env.get("CLAWBENCH_PUBLIC_URL") or f"http://127.0.0.1:{port}"),
        image_aliases=_aliases(env.get("CLAWBENCH_IMAGE_ALIASES") or ""),
        provider=_provider(env.get("CLAWBENCH_PROVIDER") or "docker"),
        secret_key=_secret(env, data, embedded=url is None),
        idle_limit_s=_seconds(env, "CLAWBENCH_IDLE_LIMIT_S", 1800),
        run_wall_s=_seconds(env, "CLAWBENCH_RUN_WALL_S", 6 * 3600),
    )


def _port(text: str) -> int:
    if not (text.isdigit() and 0 < int(text) < 65536):
        raise SetupFailed(f"CLAWBENCH_PORT is {text!r}; give a number from 1 to 65535.")
    return int(text)


def _seconds(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    if not (text.isdigit() and int(text) > 0):
        raise SetupFailed(f"{name} is {text!r}; give a number of seconds.")
    return int(text)


def _public(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.path not in ("", "/"):
        raise SetupFailed(f"CLAWBENCH_PUBLIC_URL is {text!r}; give an address such as https://bench.example.")
    return text.rstrip("/")


def _database(text: str | None) -> str | None:
    if text is None:
        return None
    scheme, _, rest = text.partition("://")
    if scheme not in ("postgresql+asyncpg", "postgresql", "postgres") or not rest:
        raise SetupFailed("CLAWBENCH_DATABASE_URL must read postgresql+asyncpg://user:password@host/name.")
    return f"postgresql+asyncpg://{rest}"


def _provider(text: str) -> str:
    if text not in ("docker", "fake"):
        raise SetupFailed(f"CLAWBENCH_PROVIDER is {text!r}; it can be docker (or fake, for tests: no isolation).")
    return text


def _aliases(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not (name and sep and target) for name, sep, target in pairs):
        raise SetupFailed("CLAWBENCH_IMAGE_ALIASES must read `from=to,from=to`.")
    return {name.strip(): target.strip() for name, _, target in pairs}


def _secret(env: Mapping[str, str], data: Path, *, embedded: bool) -> str:
    """The deployment's secret: from the environment, or made once and kept owner-only when Postgres is embedded."""
    if given := env.get("CLAWBENCH_SECRET_KEY"):
        if len(given) < 32:
            raise SetupFailed("CLAWBENCH_SECRET_KEY must have at least 32 characters.")
        return given
    if not embedded:
        raise SetupFailed("CLAWBENCH_SECRET_KEY is not set; with CLAWBENCH_DATABASE_URL it must be (32+ characters).")
    path = data / "secrets" / "secret_key"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.chmod(0o700)
    if not path.exists():
        # Linked into place whole: of two processes that start at once, one's secret wins and none is read half-written.
        fresh = path.with_name(f".{secrets.token_hex(8)}")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        with suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    value = path.read_text().strip()
    if len(value) < 32:
        raise SetupFailed(f"{path} is damaged; remove it to have a new secret made (old sign-ins end).")
    return value
