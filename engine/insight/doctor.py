"""What could go wrong in this deployment, judged from one look at it: each finding with what to do about it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine import limits
from engine.insight.status import Status
from engine.model.journal import StreamId
from engine.store.server import OLDEST, ServerReport

#: Waiting longer than this means that the daemon does not keep up.
_LAG_MS = 5_000
#: Share of Redis memory, in percent, from which an operator should act.
_FULL_PERCENT = 80
#: Open incidents that are listed; there is one a node, and one a reorganisation that nobody closed.
_MAX_INCIDENTS = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: what was looked at.
        state: ``ok``, ``warn`` (works, but has a risk) or ``bad`` (loses a guarantee, or does not work).
        message: what was found.
        hint: what to do; empty if nothing.
    """

    name: str
    state: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Vitals:
    """One look at a deployment.

    Attributes:
        server: what Redis says of itself.
        status: the page.
        journal_last: the journal's last entry.
        time_ms: the server's clock.
        secret: the file with the signing secret.
        incidents: open ones: what each is, and why.
    """

    server: ServerReport
    status: Status
    journal_last: StreamId
    time_ms: int
    secret: Path
    incidents: tuple[tuple[str, str], ...] = ()


def _version(server: ServerReport) -> Finding:
    parts = tuple(int(p) for p in server.version.split(".")[:2] if p.isdecimal())
    if parts < OLDEST:
        return Finding("version", "bad", f"Redis {server.version}", "Lockstep needs Redis 6.2 or later")
    return Finding("version", "ok", f"Redis {server.version}")


def _role(server: ServerReport) -> Finding:
    if server.role == "slave":
        return Finding("role", "bad", "this is a replica", "point --redis at the master or at Sentinel")
    if server.connected_replicas:
        hint = "replication is asynchronous: a failover may lose what was acknowledged in the last moments"
        return Finding("role", "warn", f"master with {server.connected_replicas} replica(s)", hint)
    return Finding("role", "ok", "master")


def _persistence(server: ServerReport) -> Finding:
    if not server.aof_enabled:
        hint = "CONFIG SET appendonly yes, and keep it in redis.conf; until then a crash of Redis loses facts"
        return Finding("persistence", "bad", "the append-only file is off", hint)
    if server.last_error:
        return Finding("persistence", "bad", server.last_error, "look at the disk Redis writes to, and at its log")
    if not server.appendfsync:
        hint = "this Redis hides its configuration; make sure that appendfsync is 'always', or accept losing a second"
        return Finding("persistence", "warn", "append-only file on, its fsync setting unknown", hint)
    if server.appendfsync != "always":
        hint = "CONFIG SET appendfsync always; as it is, a power cut may lose acknowledged facts"
        return Finding("persistence", "warn", f"appendfsync is '{server.appendfsync}'", hint)
    return Finding("persistence", "ok", "append-only file, fsync on every write")


def _eviction(server: ServerReport) -> Finding:
    if server.maxmemory_policy not in ("", "noeviction"):
        hint = "CONFIG SET maxmemory-policy noeviction; Redis would silently delete state when memory is short"
        return Finding("eviction", "bad", f"maxmemory-policy is '{server.maxmemory_policy}'", hint)
    return Finding("eviction", "ok", "nothing is evicted")


def _memory(server: ServerReport) -> Finding:
    used, most = server.used_memory_bytes, server.maxmemory_bytes
    if not most:
        hint = "set maxmemory below what the machine has, so that senders are refused instead of the server killed"
        return Finding("memory", "warn", f"{used >> 20} MiB used, no bound", hint)
    found = f"{used >> 20} of {most >> 20} MiB used"
    if used * 100 >= most * _FULL_PERCENT:
        return Finding("memory", "bad", found, "raise maxmemory, or shorten the ttls of kinds")
    return Finding("memory", "ok", found)


def _journal(vitals: Vitals) -> Finding:
    lead = vitals.journal_last.ms - vitals.time_ms
    if lead > limits.MAX_LEAD_MS:
        hint = "a sender gave an explicit id in the future; later ids follow it, and entries take the server's time"
        return Finding("journal", "warn", f"ids lead the server's clock by {lead} ms", hint)
    if vitals.status.lag_ms > _LAG_MS:
        hint = (
            "start `lockstep run`"
            if not vitals.status.running
            else "the daemon does not keep up; see `lockstep status`"
        )
        return Finding("journal", "bad", f"the oldest entry has been waiting for {vitals.status.lag_ms} ms", hint)
    return Finding("journal", "ok", f"{vitals.status.journal_length} entries, all applied")


def _daemon(status: Status) -> Iterator[Finding]:
    if not status.running:
        yield Finding("daemon", "bad", "no daemon is running", "start `lockstep run`")
    else:
        yield Finding("daemon", "ok", f"{status.role}, epoch {status.epoch}")
    if not status.revision:
        yield Finding("rules", "warn", "no rule base is in force", "push one: `lockstep push DIR`")
    elif status.suspended:
        names = ", ".join(status.suspended)
        yield Finding("rules", "bad", f"suspended after running away: {names}", "mend the rules and push them again")
    else:
        yield Finding("rules", "ok", f"revision {status.revision}")
    if status.paused:
        yield Finding("pause", "warn", f"paused: {', '.join(status.paused)}", "`lockstep resume` when it may go on")


def _secret(path: Path) -> Finding:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        hint = "point --data or LOCKSTEP_SECRET_FILE at the daemon's; pushes from here cannot be signed"
        return Finding("secret", "warn", f"{path}: {error.strerror}", hint)
    if stat.S_IMODE(mode) & 0o077:
        return Finding("secret", "bad", f"{path} can be read by others", f"chmod 600 {path}")
    return Finding("secret", "ok", f"{path}, readable by its owner alone")


def _incidents(vitals: Vitals) -> Iterator[Finding]:
    """What sources say of the world outside: a node that is away, a reorganisation that was too deep."""
    for name, reason in vitals.incidents[:_MAX_INCIDENTS]:
        yield Finding("incident", "warn", f"{name}: {reason}", "see to it; `lockstep facts incident` shows all of it")
    if len(vitals.incidents) > _MAX_INCIDENTS:
        yield Finding("incident", "warn", f"{len(vitals.incidents) - _MAX_INCIDENTS} more", "lockstep facts incident")


def examine(vitals: Vitals) -> list[Finding]:
    """Everything worth knowing, good and bad, in the order an operator would look."""
    return [
        _version(vitals.server),
        _role(vitals.server),
        _persistence(vitals.server),
        _eviction(vitals.server),
        _memory(vitals.server),
        *_daemon(vitals.status),
        _journal(vitals),
        _secret(vitals.secret),
        *_incidents(vitals),
    ]
