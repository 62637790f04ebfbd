"""Rule bases pushed so far, by revision: which one somebody means, and what is in it."""

from __future__ import annotations

from engine.errors import Exit, LockstepError
from engine.packs.sources import from_blob
from engine.store.redis_store import RedisStore

#: Notes of the history that are looked through for the revision somebody means.
_LOOK_AT = 10_000


class RevisionError(LockstepError):
    """No stored revision is meant, or more than one (exit 2)."""

    exit_code = Exit.USAGE


async def resolve(store: RedisStore, wanted: str) -> str:
    """The stored revision that begins with those characters.

    Raises:
        RevisionError: U130 none does, U131 several do.
    """
    history = await store.revision_history(_LOOK_AT)
    found = sorted({note.revision for note in history if note.revision.startswith(wanted)})
    if not found or not wanted:
        raise RevisionError("U130", f"no revision '{wanted}' was pushed", "see `lockstep rulebase log`")
    if len(found) > 1:
        raise RevisionError("U131", f"'{wanted}' begins {', '.join(found)}", "write more of it")
    return found[0]


async def files_of(store: RedisStore, revision: str) -> dict[str, str]:
    """The pack files of a revision: name → text.

    Raises:
        RevisionError: U130 it is no longer stored.
    """
    blob = await store.get_revision(revision)
    if blob is None:
        raise RevisionError("U130", f"revision {revision} is not stored any more", "push its packs again")
    return {source.name: source.text for source in from_blob(blob)}
