"""A rule base before it is in force: checked, tried out where it can do no harm, stored, and asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.coordination.driver import Driver
from engine.errors import Exit, LockstepError, PackError, Problem
from engine.matching.engine import Engine
from engine.matching.joins import JoinShape, PythonJoiner
from engine.matching.shape_limits import ShapeLimitError, check_limits
from engine.matching.smoke import check_in_child
from engine.matching.surroundings import Surroundings
from engine.model.journal import StreamId
from engine.model.rules import RuleBase
from engine.packs.bundle import load_paths
from engine.runtime.orders import give_order, writer_name
from engine.runtime.schedule_times import ScheduleTimes
from engine.store.redis_store import RedisStore


class TrialError(LockstepError):
    """The packs are right, but the joining library cannot run them (exit 1)."""

    exit_code = Exit.PROBLEMS


@dataclass(frozen=True, slots=True)
class Candidate:
    """Packs that may be put in force.

    Attributes:
        rulebase: what they say.
        blob: the canonical form.
        origin: where they came from, for the history.
        warnings: problems that do not keep them from being used.
    """

    rulebase: RuleBase
    blob: bytes
    origin: str
    warnings: tuple[Problem, ...]

    @property
    def revision(self) -> str:
        """Hash of the canonical form."""
        return self.rulebase.revision


def join_shapes(rulebase: RuleBase) -> list[JoinShape]:
    """The distinct joins of all rules and of all conditions of plans: those the daemon will load.

    The engine itself is built, without facts, so what cannot be compiled fails here and not in the daemon.
    """
    asked: list[JoinShape] = []

    def note(shapes: list[JoinShape]) -> PythonJoiner:
        asked.extend(shapes)
        return PythonJoiner(shapes)

    Engine(rulebase, Surroundings(note, ScheduleTimes, make_driver=Driver))
    return asked


def misfit(rulebase: RuleBase, origin: str) -> Problem | None:
    """What of the joins does not fit the joining library, said of ``origin`` as a whole; None if all fit."""
    try:
        check_limits(join_shapes(rulebase))
    except ShapeLimitError as error:
        return Problem(origin, 0, 0, error.code, error.message, error.hint)
    return None


def candidate_from(paths: Sequence[Path]) -> Candidate:
    """Read and check packs.

    Raises:
        PackError: every problem of every file.
    """
    loaded = load_paths(paths)
    if loaded.rulebase is None:
        raise PackError(loaded.problems)
    origin = ", ".join(str(path.absolute()) for path in paths)
    return Candidate(loaded.rulebase, loaded.blob, origin, tuple(loaded.warnings))


def try_out(candidate: Candidate) -> None:
    """Try the joins in a child process, which may die of them. Takes a second; a minute for thousands of joins.

    Raises:
        PackError: they do not fit the joining library.
        TrialError: it failed on them (M110).
    """
    problem = misfit(candidate.rulebase, candidate.origin)
    if problem is not None:
        raise PackError([problem])
    shapes = join_shapes(candidate.rulebase)
    if not shapes:
        return
    failure = check_in_child(shapes)
    if failure is not None:
        hint = "please report it with the packs; removing the rule changed last usually helps"
        raise TrialError("M110", f"trying the joins out failed: {failure}", hint)


async def store_candidate(store: RedisStore, candidate: Candidate, program: str) -> None:
    """Store it under its revision; nothing is in force by that.

    Raises:
        StoreError: Redis is away or refuses.
    """
    note = {"from": candidate.origin, "by": writer_name(program)}
    await store.put_revision(candidate.revision, candidate.blob, note)


async def note_activation(store: RedisStore, revision: str, program: str) -> None:
    """Write into the history that a stored revision is asked for again.

    Raises:
        StoreError: Redis is away or refuses.
    """
    blob = await store.get_revision(revision)
    if blob is not None:
        await store.put_revision(revision, blob, {"from": "activate", "by": writer_name(program)})


async def ask_for(
    store: RedisStore, secret: bytes, program: str, revision: str, replaces: str, accept: int
) -> StreamId:
    """Ask the engine to put a stored revision in force; gives the order's place in the journal.

    Args:
        store: connected.
        secret: the engine's.
        program: ``cli`` or ``daemon``.
        revision: must be stored.
        replaces: the revision in force when this was decided; empty: none. The engine refuses if it is another now.
        accept: most commands that may fire at once because of it.

    Raises:
        StoreError: Redis is away or refuses.
    """
    data: dict[str, str | int] = {"revision": revision, "replaces": replaces, "accept": accept}
    return await give_order(store, secret, program, "rulebase", data)
