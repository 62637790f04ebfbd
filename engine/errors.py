"""One tree of errors. Each carries a stable code, a message and a hint; retryability is data, not a subclass."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum, IntEnum


class Exit(IntEnum):
    """Exit codes of the program."""

    OK = 0
    PROBLEMS = 1
    USAGE = 2
    FAULT = 70
    LEASE_LOST = 75
    CONFIG = 78


class Retry(Enum):
    """Whether trying the same thing again can help."""

    NEVER = "never"
    LATER = "later"


class LockstepError(Exception):
    """Root of all errors a person may see.

    Attributes:
        code: stable code, e.g. ``S101``; never reused for another meaning.
        message: what is wrong, with the offending value.
        hint: what to do about it; may be empty.
        retry: whether the same call may succeed later.
        exit_code: the program's exit code if nothing handles it.
    """

    exit_code: Exit = Exit.FAULT

    def __init__(self, code: str, message: str, hint: str = "", retry: Retry = Retry.NEVER) -> None:
        super().__init__(f"{code} {message}" + (f" ({hint})" if hint else ""))
        self.code = code
        self.message = message
        self.hint = hint
        self.retry = retry


class ConfigError(LockstepError):
    """Settings, paths or files a deployment provides are wrong (exit 78)."""

    exit_code = Exit.CONFIG


class StoreError(LockstepError):
    """Redis refused, vanished or answered what it must not."""


class LeaseLostError(LockstepError):
    """Another daemon leads now; this one must not commit (exit 75)."""

    exit_code = Exit.LEASE_LOST


class FactRejectedError(LockstepError):
    """One journal entry cannot be taken; it goes to ``rejected`` and the loop goes on."""


class EvaluationError(LockstepError):
    """An expression failed at run time: division by zero, a range or a budget."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with a pack, where, and what to write instead.

    Attributes:
        file: path as the user gave it.
        line: 1-based; 0 when the whole file is meant.
        column: 1-based; 0 when the whole line is meant.
        code: ``E…`` for an error, ``W…`` for a warning.
        message: what is wrong.
        hint: what to write instead; may be empty.
    """

    file: str
    line: int
    column: int
    code: str
    message: str
    hint: str = ""

    @property
    def is_error(self) -> bool:
        """Warnings (``W…``) do not keep a pack from being pushed."""
        return self.code.startswith("E")

    def __str__(self) -> str:
        """``file:line:column: CODE message; hint`` as compilers print it."""
        text = f"{self.file}:{self.line}:{self.column}: {self.code} {self.message}"
        return f"{text}; {self.hint}" if self.hint else text

    def as_dict(self) -> dict[str, str | int]:
        """The form ``check --json`` prints."""
        return asdict(self)


class PackError(LockstepError):
    """The packs have errors; carries every problem of every file (exit 1)."""

    exit_code = Exit.PROBLEMS

    def __init__(self, problems: list[Problem]) -> None:
        errors = [p for p in problems if p.is_error]
        super().__init__("E000", f"{len(errors)} problem(s) in the packs: " + "; ".join(map(str, errors[:3])))
        self.problems = problems


def worst_of(error: BaseException) -> BaseException:
    """Of tasks that failed together, the one to tell of: a lost lease explains the rest, a fault outranks a refusal.

    An error that is no group is itself.
    """
    flat: list[BaseException] = []
    todo: list[BaseException] = [error]
    while todo:
        each = todo.pop()
        if isinstance(each, BaseExceptionGroup):
            todo.extend(each.exceptions)
        else:
            flat.append(each)
    lost = [e for e in flat if isinstance(e, LeaseLostError)]
    faults = [e for e in flat if not isinstance(e, LockstepError)]
    return (lost or faults or flat)[0]
