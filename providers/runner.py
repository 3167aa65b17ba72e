"""The process that serves one sandbox from inside it: its commands, its files and its lease.

One file, standard library only, Python 3.9 or newer: it is copied beside the socket it serves and started there as
root with no more than the capabilities that switching users takes. The agent's processes run as another user, with
no capability at all, and can neither kill, trace, read nor reach it. It trusts whoever can open its socket (the
directory's mode sees to that) and nothing that the agent writes.

Protocol: one JSON object a line, `{"id", "op", …}` answered by `{"id", "result"}` or `{"id", "error"}`, many at a time;
bytes are base64. A client that goes away takes nothing with it: commands live here, under their call id.

Two processes: the *server* (second half of this file) talks to clients and keeps the outputs; the *spawner* (first
half), forked before asyncio is loaded because forks of a small process are three times as fast, starts what the
server asks for. Every command gets a supervisor of its own, a child subreaper: whatever the command leaves behind
(setsid, double forks) stays below that one process, so its whole tree is known exactly and can be killed.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import errno
import fcntl
import gc
import json
import os
import signal
import socket
import stat
import struct
import sys
import termios
import time
from typing import Any, Callable, NoReturn

KIB, MIB = 1024, 1024 * 1024
HEAD_MAX, TAIL_MAX, HEADS_MAX, IN_MEMORY_MAX = 16 * MIB, 256 * KIB, 512 * MIB, 64 * KIB
VERDICT_MAX, STDIN_MAX, DATA_MAX, FRAME_MAX = 256 * KIB, 4 * MIB, 16 * MIB, 32 * MIB
KEPT_MAX, SPARE, ASK_S, FILE_OP_S, GRACE_S, KILL_S = 512, 2, 10.0, 20.0, 0.1, 5.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER = 1, 4, 24, 36
LIBC = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """An answer of ours that is an error; `code` is one of the client's known words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def prctl(option: int, value: int) -> bool:
    """Set one attribute of this process; False when the kernel does not know the value."""
    return LIBC.prctl(option, value, 0, 0, 0) == 0


# ---------------------------------------------------------------------------------------------------------- processes


def table() -> dict[int, tuple[int, int]]:
    """Every living process: pid -> (parent, group)."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
                if fields[0] not in (b"Z", b"X"):
                    found[int(name)] = (int(fields[1]), int(fields[2]))
    return found


def tree(root: int) -> dict[int, int]:
    """The living descendants of `root`, without itself: pid -> group."""
    processes = table()
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in processes.items():
        children.setdefault(parent, []).append(pid)
    found, todo = {}, [root]
    while todo:
        for pid in children.pop(todo.pop(), []):
            found[pid] = processes[pid][1]
            todo.append(pid)
    return found


def send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def oom_kills() -> int:
    """How often the kernel's out-of-memory killer struck in this sandbox (cgroup v1 and v2)."""
    for path in ("/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events"):
        with contextlib.suppress(OSError), open(path) as file:
            counts = dict(line.split() for line in file if len(line.split()) == 2)
            return int(counts.get("oom_kill", 0))
    return 0


def become(uid: int | None) -> None:
    """Turn into the agent's user for good: all capabilities go with root (None: stay, there is no isolation)."""
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


# ------------------------------------------------------------------------------------- the spawner: starting commands


def seal(config: dict[str, Any]) -> None:
    """Make the agent's directories, then give up what no command may ever have."""
    os.umask(0o022)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    uid = config["uid"]
    for name, mode in (("home", 0o755), ("workdir", 0o755), ("spool", 0o700)):
        path = config["root"] + config[name]
        os.makedirs(path, mode, exist_ok=True)
        if uid is not None and name != "spool":
            os.chown(path, uid, uid)
    if uid is not None:
        os.setgroups([])
        prctl(PR_SET_DUMPABLE, 0)
    if config["drop_bounding"]:
        for capability in range(64):
            prctl(PR_CAPBSET_DROP, capability)


def spawn(line: socket.socket, uid: int | None) -> NoReturn:
    """Keep spare children waiting for jobs on `line`, so that no job waits for a fork, nor for a process to be free."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel takes leave of them
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    gc.collect()
    gc.freeze()
    taken, take = os.pipe()
    spare = 0
    while True:
        try:
            while spare < SPARE:
                if os.fork() == 0:
                    child(line, take, uid)
                spare += 1
        except OSError:  # the sandbox is at its limit of processes
            if spare == 0:
                time.sleep(0.05)
                continue
        spare -= len(os.read(taken, 16))


def child(line: socket.socket, take: int, uid: int | None) -> NoReturn:
    """Wait for one job, the leader of a command already forked; the first descriptor is the line to the server."""
    try:
        gc.disable()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        leader = os.fork()
        if leader == 0:
            os.close(take)
            line.close()
            ours.close()
            lead(theirs)
        theirs.close()
        kind, fds, _, _ = socket.recv_fds(line, 16, 8, socket.MSG_CMSG_CLOEXEC)
        line.close()
        os.write(take, b".")
        with ours, socket.socket(fileno=fds[0]) as own:
            own.sendall(b"%d %d\n" % (os.getpid(), leader))  # only then comes the job: who gave up sends none
            if kind == b"file":
                own.sendall(json.dumps(file_work(received(own), uid)).encode())
            else:
                supervise(own, ours, fds, leader)
    except OSError:  # the sandbox is at its limit of processes
        time.sleep(0.05)
        os.write(take, b".")
    finally:
        os._exit(0)


def received(own: socket.socket) -> dict[str, Any]:
    return json.loads(b"".join(iter(lambda: own.recv(MIB), b"")))


def supervise(own: socket.socket, leading: socket.socket, fds: list[int], leader: int) -> None:
    """Hand the job to the leader, say how that ended, and stay until its last descendant is gone."""
    socket.send_fds(leading, [b"."], fds)
    for fd in fds[1:]:
        os.close(fd)
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == leader:
                own.sendall(b"%d\n" % status)


def lead(line: socket.socket) -> NoReturn:
    """Wait for a job and become its command; what prevents that is written to its own output, as a shell does."""
    code, job, argv = 126, {"cwd": "?"}, ["?"]
    try:
        signed, fds, _, _ = socket.recv_fds(line, 16, 8, socket.MSG_CMSG_CLOEXEC)
        if not signed:
            os._exit(0)
        (own, stdin, out), verdict = fds[:3], fds[3] if len(fds) > 3 else -1
        with socket.socket(fileno=own) as server:
            job = received(server)
        argv, env = job["argv"], job["env"]
        os.setsid()
        if job["pty"]:
            fcntl.ioctl(stdin, termios.TIOCSCTTY, 0)
        for number, fd in enumerate((stdin, out, out)):
            os.dup2(fd, number)
        if verdict >= 0:
            os.set_inheritable(verdict, True)
            env["CLAWBENCH_VERDICT_FD"] = str(verdict)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # when memory runs out the command dies, not the runner
        become(job["uid"])
        os.umask(0o022)
        os.chdir(job["cwd"])
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        os.execvpe(argv[0], argv, env)  # noqa: S606
    except OSError as error:
        code = 127 if isinstance(error, FileNotFoundError) else 126
        where = error.filename if isinstance(error.filename, str) else argv[0]
        os.write(2, f"clawbench: cannot start in {job['cwd']}: {where}: {error.strerror}\n".encode("utf-8", "replace"))
    finally:
        os._exit(code)


# -------------------------------------------------------------------------------------------- the spawner: file work


def inside(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def held(fd: int) -> str:
    """Where an open file really is, whatever links were followed on the way."""
    return os.readlink(f"/proc/self/fd/{fd}")


def checked(path: str, within: str | None) -> str:
    real = os.path.realpath(path)
    if within is not None and not inside(real, os.path.realpath(within)):
        raise Refused("denied", f"{path} is outside of {within}")
    return real


def opened(path: str, within: str | None, flags: int, dir_fd: int | None = None) -> int:
    """Open without following a last link or waiting for a FIFO, and look where that has led."""
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666, dir_fd=dir_fd)
    if within is not None and not inside(held(fd), os.path.realpath(within)):
        os.close(fd)
        raise Refused("denied", f"{path} is outside of {within}")
    return fd


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def regular(fd: int, path: str) -> os.stat_result:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise Refused("denied", f"{path} is not a regular file")
    return found


def read_file(path: str, within: str | None, offset: int, limit: int) -> dict[str, Any]:
    fd = opened(checked(path, within), within, os.O_RDONLY)
    size = regular(fd, path).st_size
    data = os.pread(fd, max(0, min(limit, DATA_MAX)), offset)
    return {"data": base64.b64encode(data).decode(), "offset": offset, "size": max(size, offset + len(data))}


def write_file(path: str, within: str | None, data: str, mode: int | None) -> dict[str, Any]:
    content = base64.b64decode(data)
    parent, name = os.path.split(checked(path, within))
    os.makedirs(parent, exist_ok=True)
    directory = opened(parent, within, os.O_RDONLY | os.O_DIRECTORY)
    fd = opened(name, within, os.O_WRONLY | os.O_CREAT, dir_fd=directory)
    regular(fd, path)
    os.ftruncate(fd, 0)
    write_all(fd, content)
    if mode is not None:
        os.fchmod(fd, mode & 0o777)
    return {"size": len(content)}


def entry(shown: str, found: os.stat_result) -> dict[str, Any]:
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link"}
    name = os.fsencode(shown).decode("utf-8", "backslashreplace")  # names need not be text; answers must be
    kind = kinds.get(stat.S_IFMT(found.st_mode), "other")
    return {"path": name, "kind": kind, "size": found.st_size, "mode": stat.S_IMODE(found.st_mode)}


def stat_file(path: str, within: str | None) -> dict[str, Any]:
    parent, name = os.path.split(os.path.abspath(path))
    where = os.path.join(os.path.realpath(parent), name)  # a last link is what is asked about, not where it leads
    if within is not None and not inside(where, os.path.realpath(within)):
        where = checked(path, within)
    return entry(path, os.lstat(where))


def list_files(path: str, within: str | None, depth: int, limit: int) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def walk(fd: int, prefix: str, left: int) -> None:
        for name in sorted(os.listdir(fd)):
            if len(found) >= limit:
                return
            try:
                status = os.lstat(name, dir_fd=fd)
            except FileNotFoundError:  # removed while we looked
                continue
            found.append(entry(prefix + name, status))
            if left > 1 and stat.S_ISDIR(status.st_mode):
                with contextlib.suppress(PermissionError, FileNotFoundError, NotADirectoryError):
                    child = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
                    walk(child, prefix + name + "/", left - 1)
                    os.close(child)

    walk(opened(checked(path, within), within, os.O_RDONLY | os.O_DIRECTORY), "", min(depth, 64))
    return {"entries": found}


def refusal(error: OSError) -> Refused:
    """The word for what the system said about a file."""
    text = f"{error.filename}: {error.strerror}" if isinstance(error.filename, str) else str(error.strerror)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Refused("missing", text)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Refused("large", text)
    return Refused("denied", text)


def agent_status() -> dict[str, str]:
    """What the kernel says about a process of the agent's (asked in one)."""
    wanted = {"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"}
    with open("/proc/self/status") as file:
        pairs = (line.partition(":") for line in file)
        return {name: " ".join(value.split()) for name, _, value in pairs if name in wanted}


def file_work(job: dict[str, Any], uid: int | None) -> dict[str, Any]:
    """Do one piece of file work as the agent's user, so that it can do nothing that the agent cannot."""
    become(uid)
    os.umask(0o022)
    try:
        return {"result": FILE_WORK[job.pop("work")](**job)}
    except Refused as refused:
        return {"error": [refused.code, str(refused)]}
    except OSError as error:
        return {"error": [refusal(error).code, str(refusal(error))]}


FILE_WORK: dict[str, Callable[..., dict[str, Any]]] = {
    "read": read_file,
    "write": write_file,
    "stat": stat_file,
    "list": list_files,
    "probe": agent_status,
}


class Spawner:
    """The server's end of the spawner."""

    def __init__(self, line: socket.socket, pid: int) -> None:
        self.line, self.pid = line, pid

    def ask(self, kind: bytes, fds: list[int]) -> socket.socket:
        """Have a process forked that gets `fds`, and give the line over which it takes its job."""
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(self.line, [kind], [theirs.fileno(), *fds], socket.MSG_DONTWAIT)
        except OSError as error:
            ours.close()
            raise Refused("unavailable", f"the spawner is busy: {error.strerror}") from error
        finally:
            theirs.close()
        ours.setblocking(False)
        return ours


def divide() -> tuple[dict[str, Any], Spawner]:
    """Become two processes, before the greater part of this program is loaded: spawner and server."""
    with open("config.json") as file:
        config = json.load(file)
    seal(config)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        spawn(theirs, config["uid"])
    theirs.close()
    return config, Spawner(ours, pid)


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    CONFIG, SPAWNER = divide()
    sys.modules["ssl"] = None  # type: ignore[assignment]  # asyncio does without TLS, and starts sooner

import asyncio  # noqa: E402
import traceback  # noqa: E402

# ------------------------------------------------------------------------------------------------- the server: output


class Spool:
    """A command's output: the first 16 MiB in a file that has no name, the last 256 KiB, and how much it was in all."""

    heads = 0  # bytes in all heads together, so that many chatty commands do not fill the disk

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.total = 0
        self.head = bytearray()
        self.head_size = 0
        self.file: int | None = None
        self.full = False
        self.tail = bytearray()

    def append(self, data: bytes) -> None:
        self.total += len(data)
        room = 0 if self.full else max(0, min(HEAD_MAX - self.head_size, HEADS_MAX - Spool.heads))
        taken = self._keep(data[:room]) if room else 0
        if taken < len(data):
            self.full = True
            self.tail += data[taken:]
            if len(self.tail) > 2 * TAIL_MAX:
                del self.tail[:-TAIL_MAX]

    def _keep(self, data: bytes) -> int:
        taken = 0
        try:
            if self.file is None and self.head_size + len(data) > IN_MEMORY_MAX:
                name = f"{self.directory}/{id(self)}"
                self.file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
                os.unlink(name)
                if os.write(self.file, self.head) < len(self.head):
                    raise OSError(errno.ENOSPC, "short write")
                self.head = bytearray()
            if self.file is None:
                self.head += data
                taken = len(data)
            else:
                taken = os.write(self.file, data)
        except OSError as error:  # a full disk costs the middle of the output, never the command
            sys.stderr.write(f"spool: {error}\n")
            if self.file is not None and self.head:
                os.close(self.file)
                self.file = None
        self.head_size += taken
        Spool.heads += taken
        return taken

    def read(self, offset: int, limit: int) -> tuple[int, bytes]:
        """Bytes from `offset`, or from the next that are still there; both counted from the very first byte."""
        if offset < self.head_size:
            if self.file is not None:
                return offset, os.pread(self.file, min(limit, self.head_size - offset), offset)
            return offset, bytes(self.head[offset : offset + limit])
        tail = memoryview(self.tail)[-TAIL_MAX:]
        offset = min(max(offset, self.total - len(tail)), self.total)
        begin = offset - (self.total - len(tail))
        return offset, bytes(tail[begin : begin + limit])

    def close(self) -> None:
        Spool.heads -= self.head_size
        if self.file is not None:
            os.close(self.file)
            self.file = None


# ----------------------------------------------------------------------------------------------- the server: commands


async def kill_tree(root: int) -> bool:
    """Kill every descendant of `root`; False if some still live after a while (uninterruptible in the kernel)."""
    deadline = time.monotonic() + KILL_S
    while living := tree(root):
        stopped: set[int] = set()
        while fresh := set(living) - stopped:  # stopped first, so that nothing forks away between look and kill
            for pid in fresh:
                send(pid, signal.SIGSTOP)
            stopped |= fresh
            living = tree(root)
        for pid in stopped:
            send(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, job: dict[str, Any]) -> tuple[int, int]:
    """Give a child its job once it is there, and say its pid and its leader's."""
    pid, leader = (await asyncio.wait_for(reader.readline(), ASK_S)).split()
    writer.write(json.dumps(job).encode())
    writer.write_eof()
    return int(pid), int(leader)


class Command:
    """One command: how it was started, what it wrote, how it stands. Its id is the caller's."""

    def __init__(self, box: Box, request: dict[str, Any]) -> None:
        self.box, self.loop = box, asyncio.get_running_loop()
        self.id: str = request["call_id"]
        self.foreground = bool(request.get("foreground"))
        self.pty = bool(request.get("pty"))
        self.spool = Spool(box.spool)
        self.cursor = 0
        self.status = "running"
        self.exit_code: int | None = None
        self.wait_status: int | None = None
        self.killed_for: str | None = None
        self.verdict: bytearray | None = bytearray() if request.get("verdict") else None
        self.pending, self.close_stdin = bytearray(), False
        self.known = asyncio.Event()
        self.leader = self.supervisor = 0
        self.job = box.resolve(request)
        self.watchers: list[tuple[float, asyncio.Future[None]]] = []
        self.fds: dict[str, int] = {}
        self.ooms = oom_kills() if box.uid is not None else 0
        self.started = time.monotonic()
        self.duration: float | None = None
        self.failed = False
        self.follower = box.background(self._follow(self._start(request), request))
        self.timer = self.loop.call_later(float(request["timeout_s"]), self._time_out)

    def _start(self, request: dict[str, Any]) -> socket.socket:
        """Make the pipes and hand their far ends to the spawner."""
        theirs: list[int] = []
        try:
            if self.pty:
                self.fds["out"], slave = os.openpty()
                theirs += [slave, slave]
                self.fds["stdin"] = os.dup(self.fds["out"])
                fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
                if self.box.uid is not None:
                    os.fchown(slave, self.box.uid, -1)
            elif request.get("stdin") == "":
                theirs.append(os.open(os.devnull, os.O_RDONLY))
            else:
                self._pipe("stdin", theirs, ours=1)
            if not self.pty:
                self._pipe("out", theirs)
            if self.verdict is not None:
                self._pipe("verdict", theirs)
            return self.box.spawner.ask(b"command", theirs)
        except (OSError, Refused) as error:
            for fd in self.fds.values():
                os.close(fd)
            raise Refused("unavailable", f"no command can be started just now: {error}") from error
        finally:
            for fd in set(theirs):
                os.close(fd)

    def _pipe(self, name: str, theirs: list[int], ours: int = 0) -> None:
        ends = os.pipe()
        self.fds[name] = ends[ours]
        theirs.append(ends[1 - ours])

    async def _follow(self, line: socket.socket, request: dict[str, Any]) -> None:
        """Hear from the supervisor until its whole tree is gone."""
        for fd in self.fds.values():
            os.set_blocking(fd, False)
        self.loop.add_reader(self.fds["out"], self._on_output)
        if "verdict" in self.fds:
            self.loop.add_reader(self.fds["verdict"], self._on_verdict)
        if request.get("stdin"):
            self.feed(base64.b64decode(request["stdin"]) + (b"\x04" if self.pty else b""), close=not self.pty)
        reader, writer = await asyncio.open_unix_connection(sock=line)
        with contextlib.suppress(ConnectionError, ValueError, asyncio.TimeoutError):
            self.supervisor, self.leader = await begin(reader, writer, self.job)
            self.known.set()
            async for text in reader:
                self._left(int(text))
        writer.close()
        self.supervisor = 0
        if self.wait_status is None:  # it never started, or its supervisor died and left us its orphans
            self.failed = not self.leader
            self._left(signal.SIGKILL)
            await self.box.kill_strays()

    def _close(self, name: str) -> None:
        fd = self.fds.pop(name, None)
        if fd is not None:
            self.loop.remove_reader(fd)
            self.loop.remove_writer(fd)
            os.close(fd)

    def _read(self, name: str) -> bytes | None:
        """What is there: bytes, b"" at the end, None when nothing is there yet."""
        try:
            return os.read(self.fds[name], 256 * KIB)
        except BlockingIOError:
            return None
        except OSError:  # EIO: the terminal's last holder is gone
            return b""

    def _on_output(self) -> bool:
        """Take what was written; False when there is no more for now."""
        data = self._read("out") if "out" in self.fds else b""
        if data == b"":
            self._close("out")
        if not data:
            return False
        self.spool.append(data)
        self._wake()
        return True

    def _drain(self) -> None:
        for _ in range(64):
            if not self._on_output():
                return

    def _left(self, wait_status: int) -> None:
        """The leader is gone: end now, or a moment later when others still hold its output."""
        if self.wait_status is not None:
            return
        self.wait_status = wait_status
        self.duration = time.monotonic() - self.started
        self.timer.cancel()
        self._drain()
        if "out" in self.fds and self.killed_for is None:
            self.loop.call_later(GRACE_S, self._end)
        else:
            self._end()

    def _end(self) -> None:
        if self.status != "running" or self.wait_status is None:
            return
        self._drain()
        while self._on_verdict():
            continue
        self._close("verdict")
        code = self.wait_status >> 8
        number = self.wait_status & 0x7F
        self.exit_code = 128 + number if number else code
        self.status = self.killed_for or ("signaled" if number else "exited")
        if self.box.uid is not None and self.exit_code != 0 and not self.killed_for and oom_kills() > self.ooms:
            self.status = "oom"
        if self.status == "timeout":
            self.exit_code = None
        self._close("stdin")
        self.known.set()
        self._wake()

    def _on_verdict(self) -> bool:
        """Take what was written to the verdict's pipe; more than it may hold makes it no verdict."""
        data = self._read("verdict") if "verdict" in self.fds else b""
        if self.verdict is not None and data:
            self.verdict += data
            if len(self.verdict) > VERDICT_MAX:
                self.verdict = None
        if data == b"" or self.verdict is None:
            self._close("verdict")
        return bool(data)

    def _time_out(self) -> None:
        self.killed_for = "timeout"
        self.box.background(self._kill())

    async def _kill(self) -> None:
        await asyncio.wait_for(self.known.wait(), KILL_S)
        if self.supervisor:
            await kill_tree(self.supervisor)
        if self.wait_status is None and self.killed_for:
            await asyncio.sleep(GRACE_S)
            self._left(signal.SIGKILL)  # it cannot even be killed just now; the caller is told in time all the same

    def _wake(self) -> None:
        ended = self.status != "running"
        for needed, future in self.watchers:
            if (ended or self.spool.total >= needed) and not future.done():
                future.set_result(None)

    def feed(self, data: bytes, *, close: bool = False) -> None:
        """Pass `data` on to the command's input as fast as it reads."""
        if "stdin" not in self.fds:
            raise Refused("unknown", "the command has ended or takes no input")
        if len(self.pending) + len(data) > STDIN_MAX:
            raise Refused("large", f"more than {STDIN_MAX} bytes of input are waiting to be read")
        self.pending += data
        self.close_stdin |= close
        self._flush()

    def _flush(self) -> None:
        fd = self.fds["stdin"]
        try:
            while self.pending:
                del self.pending[: os.write(fd, self.pending[: 64 * KIB])]
        except BlockingIOError:
            self.loop.add_writer(fd, self._flush)
            return
        except OSError:  # nobody reads any more
            self._close("stdin")
            return
        self.loop.remove_writer(fd)
        if self.close_stdin:
            self._close("stdin")

    async def settle(self, needed: float, wait_s: float) -> None:
        """Return at the command's end, when `needed` bytes were written, or after `wait_s`."""
        if wait_s <= 0 or self.status != "running" or self.spool.total >= needed:
            return
        watcher = (needed, self.loop.create_future())
        self.watchers.append(watcher)
        try:
            await asyncio.wait([watcher[1]], timeout=wait_s)
        finally:
            self.watchers.remove(watcher)

    async def signal(self, name: str) -> None:
        number = getattr(signal, "SIG" + name, None)
        if not isinstance(number, signal.Signals):
            raise Refused("invalid", f"there is no signal {name!r}; use TERM, INT, HUP or KILL")
        await asyncio.wait_for(self.known.wait(), KILL_S)
        if number == signal.SIGKILL:
            if self.wait_status is None:
                self.killed_for = "signaled"
            await self._kill()
        elif self.supervisor:
            for pid, group in tree(self.supervisor).items():
                if group == self.leader:
                    send(pid, number)

    def view(self, offset: int, limit: int) -> dict[str, Any]:
        """How the command stands, with its output from `offset`."""
        begin, data = self.spool.read(offset, max(0, min(limit, DATA_MAX)))
        duration = self.duration if self.duration is not None else time.monotonic() - self.started
        verdict = self.verdict if self.status != "running" else None
        return {
            "status": self.status,
            "exit_code": self.exit_code,
            "duration_ms": int(duration * 1000),
            "offset": begin,
            "size": len(data),
            "total": self.spool.total,
            "data": base64.b64encode(data).decode(),
            "verdict": None if verdict is None else base64.b64encode(verdict).decode(),
        }

    def over(self) -> bool:
        """Whether nothing of it is left that could write."""
        return self.status != "running" and not self.fds and self.follower.done()


# -------------------------------------------------------------------------------------------------- the server: itself


class Box:
    """The sandbox seen from inside: its commands by call id, its children, its lease."""

    def __init__(self, config: dict[str, Any], spawner: Spawner) -> None:
        self.spawner = spawner
        self.uid: int | None = config["uid"]
        self.role: str = config["role"]
        self.root: str = config["root"]
        self.workdir, self.home, self.spool = (self.root + config[name] for name in ("workdir", "home", "spool"))
        known = {"PATH": os.environ.get("PATH", PATH), "HOME": self.home, "USER": "agent", "LOGNAME": "agent"}
        inherited = {name: value for name, value in os.environ.items() if name not in ("HOSTNAME", "PWD", "LC_CTYPE")}
        self.env = {**inherited, **known, "LANG": "C.UTF-8", **config["env"]}
        self.commands: dict[str, Command] = {}
        self.forgotten: set[str] = set()
        self.jobs: set[asyncio.Task[Any]] = set()
        self.lease: asyncio.TimerHandle | None = None

    def background(self, job: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(job)
        self.jobs.add(task)
        task.add_done_callback(self.jobs.discard)
        return task

    def path(self, given: str) -> str:
        """Where a path of the caller's is: relative to the working directory, below the root if there is one."""
        if "\0" in given:
            raise Refused("denied", "a path holds no NUL")
        path = os.path.join(self.workdir, given)
        return path if not self.root or inside(path, self.root) else self.root + path

    def resolve(self, request: dict[str, Any]) -> dict[str, Any]:
        """The job that a request asks for: words, environment, directory and user, once they are known to be usable."""
        argv, given = [str(word) for word in request["argv"]], request.get("env") or {}
        term = "xterm-256color" if request.get("pty") else "dumb"
        env = {**self.env, "TERM": term, **{str(name): str(value) for name, value in given.items()}}
        try:
            usable = bool(argv) and b"\0" not in b"".join(map(os.fsencode, [*argv, *env, *env.values()]))
        except UnicodeEncodeError:
            usable = False
        if not usable or any("=" in name or not name for name in env):
            raise Refused("invalid", "a command is at least one word, without NUL, and so is its environment")
        as_root = request.get("user") == "root"
        if as_root and self.role != "verifier":
            raise Refused("denied", "only a verifier runs commands as root")
        if as_root and self.uid is not None:
            env.update({"HOME": "/root", "USER": "root", "LOGNAME": "root", **given})
        uid, cwd = None if as_root else self.uid, self.path(request.get("cwd") or ".")
        return {"argv": argv, "env": env, "cwd": cwd, "uid": uid, "pty": bool(request.get("pty"))}

    async def op_hello(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"protocol": 1, "pid": os.getpid(), "role": self.role, "workdir": self.workdir}

    async def op_probe(self, request: dict[str, Any]) -> dict[str, Any]:
        return await self._as_agent("probe")

    async def op_start(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start a command, once per call id, and say how it stands after at most `wait_s`."""
        command = self.commands.get(request["call_id"])
        if command is None:
            if request["call_id"] in self.forgotten:
                raise Refused("unknown", "that command ran long ago; its output is no longer kept")
            taken = any(each.foreground and each.status == "running" for each in self.commands.values())
            if taken and request.get("foreground"):
                raise Refused("busy", "another foreground command is still running")
            command = self.commands[request["call_id"]] = Command(self, request)
            self._forget()
        limit = request.get("limit", 0)
        await command.known.wait()
        if command.failed:
            self.commands.pop(command.id, None)
            raise Refused("unavailable", "the sandbox has no process left for that; end one first")
        await command.settle(float("inf"), request.get("wait_s", 0))
        return command.view(0, limit)

    def _forget(self) -> None:
        over = [command for command in self.commands.values() if command.over()]
        for command in over[: max(0, len(self.commands) - KEPT_MAX)]:
            command.spool.close()
            del self.commands[command.id]
            self.forgotten.add(command.id)

    def _command(self, request: dict[str, Any]) -> Command:
        if request["call_id"] not in self.commands:
            raise Refused("unknown", "no command of that id was started here")
        return self.commands[request["call_id"]]

    async def op_read(self, request: dict[str, Any]) -> dict[str, Any]:
        command, limit = self._command(request), request["limit"]
        offset = command.cursor if request.get("offset") is None else request["offset"]
        await command.settle(offset + limit if limit else float("inf"), request.get("wait_s", 0))
        view = command.view(offset, limit)
        command.cursor = max(command.cursor, view["offset"] + view["size"])
        return view

    async def op_stdin(self, request: dict[str, Any]) -> dict[str, Any]:
        self._command(request).feed(base64.b64decode(request["data"]))
        return {}

    async def op_signal(self, request: dict[str, Any]) -> dict[str, Any]:
        await self._command(request).signal(request["name"])
        return {}

    async def op_list(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"call_ids": [*self.commands]}

    async def op_renew(self, request: dict[str, Any]) -> dict[str, Any]:
        """Live `lease_s` seconds from now; the kernel's own timer ends us should this loop ever hang."""
        lease_s = float(request["lease_s"])
        if self.lease is not None:
            self.lease.cancel()
        self.lease = asyncio.get_running_loop().call_later(lease_s, lambda: self.background(self.end()))
        signal.setitimer(signal.ITIMER_REAL, lease_s + KILL_S)
        return {}

    async def op_file_read(self, request: dict[str, Any]) -> dict[str, Any]:
        return await self._as_agent("read", **self._places(request, "offset", "limit"))

    async def op_file_write(self, request: dict[str, Any]) -> dict[str, Any]:
        return await self._as_agent("write", **self._places(request, "data", "mode"))

    async def op_file_stat(self, request: dict[str, Any]) -> dict[str, Any]:
        return await self._as_agent("stat", **self._places(request))

    async def op_file_list(self, request: dict[str, Any]) -> dict[str, Any]:
        return await self._as_agent("list", **self._places(request, "depth", "limit"))

    def _places(self, request: dict[str, Any], *others: str) -> dict[str, Any]:
        within = request.get("within")
        places = {"path": self.path(request["path"]), "within": None if within is None else self.path(within)}
        return {**places, **{name: request.get(name) for name in others}}

    async def _as_agent(self, work: str, **job: Any) -> dict[str, Any]:
        """Have file work done by a short-lived process that is the agent's user; it may be killed, stopped or hang."""
        line = self.spawner.ask(b"file", [])
        reader, writer = await asyncio.open_unix_connection(sock=line)
        pid = 0
        try:
            pid, _ = await begin(reader, writer, {"work": work, **job})
            answer = json.loads(await asyncio.wait_for(reader.read(), FILE_OP_S))
        except asyncio.TimeoutError as error:
            send(pid, signal.SIGKILL) if pid else None
            raise Refused("unavailable", f"the file operation did not end in {FILE_OP_S:.0f} s") from error
        except (ConnectionError, ValueError) as error:
            raise Refused("unavailable", "the file operation was ended, or no process is left for it") from error
        finally:
            writer.close()
        if "error" in answer:
            raise Refused(*answer["error"])
        return answer["result"]

    async def kill_strays(self) -> None:
        """Kill what a supervisor that died left to the spawner; whatever is ours is in our own process group."""
        for pid, (parent, group) in table().items():
            if parent == self.spawner.pid and group != os.getpgrp():
                await kill_tree(pid)
                send(pid, signal.SIGKILL)

    async def end(self) -> NoReturn:
        """End the sandbox: everything started here first, then us, and the container with us."""
        await kill_tree(self.spawner.pid)
        with contextlib.suppress(OSError):
            os.unlink("sock")
        os._exit(0)


async def answer(box: Box, line: bytes, writer: asyncio.StreamWriter) -> None:
    """Answer one request; an error in it is the caller's to hear and never ends the runner."""
    reply: dict[str, Any] = {"id": None}
    try:
        request = json.loads(line)
        reply["id"] = request.get("id")
        operation = getattr(box, f"op_{request.get('op')}", None)
        if operation is None:
            raise Refused("invalid", f"there is no operation {request.get('op')!r}")
        reply["result"] = await operation(request)
    except Refused as refused:
        reply["error"] = {"code": refused.code, "message": str(refused)}
    except Exception as error:  # the edge: whatever went wrong is answered and logged
        traceback.print_exc()
        reply["error"] = {"code": "internal", "message": f"{type(error).__name__}: {error}"}
    with contextlib.suppress(ConnectionError):
        writer.write(json.dumps(reply).encode() + b"\n")
        await writer.drain()


async def serve(box: Box, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one client until it goes away; what it started stays."""
    tasks: set[asyncio.Task[None]] = set()
    try:
        while line := await reader.readline():
            task = asyncio.get_running_loop().create_task(answer(box, line, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    except (ConnectionError, ValueError) as error:  # ValueError: a line beyond FRAME_MAX
        sys.stderr.write(f"client: {error}\n")
    finally:
        for task in tasks:
            task.cancel()
        writer.close()


async def main(config: dict[str, Any], spawner: Spawner) -> None:
    box, loop = Box(config, spawner), asyncio.get_running_loop()
    await box.op_renew({"lease_s": config["lease_s"]})
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    loop.add_signal_handler(signal.SIGTERM, lambda: box.background(box.end()))
    loop.add_reader(spawner.line, lambda: box.background(box.end()))  # it never speaks: it is gone
    with contextlib.suppress(FileNotFoundError):
        os.unlink("sock")
    server = await asyncio.start_unix_server(lambda r, w: serve(box, r, w), "sock", limit=FRAME_MAX)
    os.chmod("sock", 0o666)  # noqa: S103  # the directory's mode decides who comes near; its owner need not be root
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(CONFIG, SPAWNER))  # pyright: ignore[reportPossiblyUnboundVariable]
