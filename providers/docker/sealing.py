"""What a container of ours is made of, and the proof that the engine made it so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from providers.base import MIB, SandboxSpec

AGENT = 20001
INSIDE = "/run/clawbench"

# CHOWN gives the agent its home and terminals; DAC_OVERRIDE enters the host's directory when its owner is not root;
# SETUID, SETGID and KILL start and end the agent's processes; SETPCAP empties the bounding set before any of them.
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETPCAP", "SETUID")

# fields of HostConfig that an engine fills in by itself, with values that take nothing away
HARMLESS: dict[str, tuple[Any, ...]] = {
    "ShmSize": (64 * MIB,),
    "Runtime": ("runc",),
    "MemorySwappiness": (-1,),
    "BlkioWeight": (0,),
}
MASKED = {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"}
READ_ONLY = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}


def host_config(spec: SandboxSpec, directory: Path) -> dict[str, Any]:
    """The container's limits and walls, word for word as the engine is asked for them and must repeat them."""
    return {
        "Init": True,
        "NetworkMode": "none",
        "Dns": ["127.0.0.1"],
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "Memory": spec.limits.memory_mb * MIB,
        "MemorySwap": spec.limits.memory_mb * MIB,
        "NanoCpus": int(spec.limits.cpus * 1_000_000_000),
        "PidsLimit": spec.limits.pids,
        "CapDrop": ["ALL"],
        "CapAdd": list(CAPABILITIES),
        "SecurityOpt": ["no-new-privileges"],
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
        "Ulimits": [
            {"Name": "nofile", "Soft": 4096, "Hard": 4096},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
        "Mounts": [{"Type": "bind", "Source": str(directory), "Target": INSIDE}],
    }


def deviations(found: dict[str, Any], spec: SandboxSpec, directory: Path) -> list[str]:
    """Name every way in which a container is not what was asked for; fields unknown to us must be empty."""
    asked, made = host_config(spec, directory), dict(found["HostConfig"])
    wrong = []
    if not set(made.pop("MaskedPaths") or ()) >= MASKED or not set(made.pop("ReadonlyPaths") or ()) >= READ_ONLY:
        wrong.append("kernel files are not masked")
    for name in sorted({*asked, *made}):
        value = made.get(name)
        right = _plain(name, value) == _plain(name, asked[name]) if name in asked else _empty(value)
        if not right and value not in HARMLESS.get(name, ()):
            wrong.append(f"{name} is {value!r}")
    mounts = [(mount["Type"], mount["Source"], mount["Destination"]) for mount in found["Mounts"]]
    if mounts != [("bind", str(directory), INSIDE)]:
        wrong.append(f"mounts are {mounts!r}")
    if found["Config"]["User"] != "0:0" or found["Image"] != spec.image.digest:
        wrong.append("user or image differ")
    if set(found["NetworkSettings"]["Networks"]) - {"none"}:
        wrong.append("it has a network")
    return wrong


def _plain(name: str, value: Any) -> Any:
    if name in ("CapAdd", "CapDrop"):
        return sorted(word.removeprefix("CAP_") for word in value or ())
    if name == "Mounts":
        return [{key: item for key, item in mount.items() if not _empty(item)} for mount in value or ()]
    return value


def _empty(value: Any) -> bool:
    return not value or (isinstance(value, list) and not any(value))


def exposure(status: dict[str, str], spec: SandboxSpec) -> list[str]:
    """Name what a process of the agent's has that it must not have; `status` is the kernel's word from inside."""
    none = ["CapInh", "CapPrm", "CapEff", "CapAmb"] + (["CapBnd"] if spec.role == "agent" else [])
    wrong = [f"{name} is {status.get(name)}" for name in none if int(status.get(name, "1"), 16) != 0]
    fixed = " ".join([str(AGENT)] * 4)
    expected = {"Uid": fixed, "Gid": fixed, "Groups": "", "NoNewPrivs": "1", "Seccomp": "2"}
    return wrong + [f"{name} is {status.get(name)}" for name, value in expected.items() if status.get(name) != value]
