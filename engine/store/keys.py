"""Every key of the engine, spelled once. All share a hash tag, so that scripts also run on a Cluster."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.journal import Cursor

#: There is exactly one partition for now.
PARTITION = "p0"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one partition."""

    partition: str = PARTITION

    def _spell(self, name: str) -> str:
        return f"lockstep:{{{self.partition}}}:{name}"

    @property
    def journal(self) -> str:
        """Stream: everything that happened, in the one order that counts."""
        return self._spell("journal")

    @property
    def meta(self) -> str:
        """Hash: cursor, epoch, last commit, revision in force, counters."""
        return self._spell("meta")

    @property
    def facts(self) -> str:
        """Hash: canonical kind and key → claims."""
        return self._spell("facts")

    @property
    def active(self) -> str:
        """Hash: activations, ``once`` keys, throttles, repeats."""
        return self._spell("active")

    @property
    def outbox(self) -> str:
        """Stream: commands in the order decided."""
        return self._spell("outbox")

    @property
    def dispatch(self) -> str:
        """Hash: command id → how far its dispatch is."""
        return self._spell("dispatch")

    def commands(self, connector: str) -> str:
        """Stream: what the executor services of one connector read."""
        return self._spell(f"commands:{connector}")

    def notebook(self, connector: str) -> str:
        """Hash: what one connector must not forget."""
        return self._spell(f"notebook:{connector}")

    @property
    def audit(self) -> str:
        """Stream: decisions with their causes."""
        return self._spell("audit")

    @property
    def rejected(self) -> str:
        """Stream: refused and quarantined entries."""
        return self._spell("rejected")

    @property
    def clock(self) -> str:
        """Stream under the entries' own ids: the times of entries whose id did not carry."""
        return self._spell("clock")

    @property
    def done(self) -> str:
        """Hash: id of a coordination that has left working memory → how it ended."""
        return self._spell("done")

    @property
    def rulebase(self) -> str:
        """Hash: ``revision:<revision>`` → canonical form, ``history:<n>`` → note."""
        return self._spell("rulebase")

    @property
    def lease(self) -> str:
        """String with a time to live: who leads."""
        return self._spell("lease")

    @property
    def status(self) -> str:
        """Hash: the running daemon's figures, for ``status``."""
        return self._spell("status")

    @property
    def writers(self) -> str:
        """Hash: signing writer → last number it used, its signature and the id of that entry."""
        return self._spell("writers")

    @property
    def snapshots(self) -> str:
        """Hash: cursor of each kept snapshot → when it was taken."""
        return self._spell("snapshots")

    def snapshot(self, cursor: Cursor, part: str) -> str:
        """Hash: one part (``facts``, ``active``, ``meta``) of the snapshot at that cursor."""
        return self._spell(f"snapshot:{cursor}:{part}")

    def view(self, name: str, part: str) -> str:
        """Hash: one part (``facts``, ``active``, ``meta``) of the state as somebody reads it; goes by itself."""
        return self._spell(f"view:{name}:{part}")
