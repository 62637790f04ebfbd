"""What happened in a coordination, in order, kept with it: so that its course can be told for as long as it is known.

The audit tells the same with all values, but is kept for a shorter time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from engine import limits
from engine.coordination.case import Case, FactName, Run, StepCase
from engine.matching.changes import dumps

#: Details that only the audit keeps: what a verdict says beside these stands in the coordination itself.
_OF_VERDICT: Final = frozenset({"verdict", "reason", "provisional"})
#: What began it is never left out; of the rest, the oldest goes first.
_HEAD: Final = 20


def note(case: Case, at_ms: int, cause: str, event: str, details: Mapping[str, Any]) -> None:
    """Write down what happened.

    Args:
        case: the coordination.
        at_ms: time of the step, unix ms.
        cause: stable name of the step: the journal entry's id, or the due item.
        event: in one word, as the audit names it.
        details: JSON values; what is empty or large is left out, and facts, whose names stand under ``on``.
    """
    names = _OF_VERDICT.intersection(details) if event == "outcome" else details.keys() - {"facts"}
    kept = {name: details[name] for name in sorted(names) if details[name] not in ("", None, [], ())}
    case.story.append({**kept, "at": at_ms, "cause": cause, "event": event})
    if len(case.story) > limits.MAX_STORY:
        del case.story[_HEAD]
        del case.story_texts[_HEAD : _HEAD + 1]
        case.story_cut += 1


def written(case: Case) -> bytes:
    """The story as canonical JSON. Each event is written once: a coordination is kept at each of its steps."""
    texts = case.story_texts
    texts += [dumps(said) for said in case.story[len(texts) :]]
    return b"[" + b",".join(texts) + b"]"


def rests_on(step: StepCase, shown: str) -> tuple[Run, Iterable[FactName]]:
    """The action that a step's state is about, and the facts which that state rests on."""
    run = step.undo if shown in ("undoing", "undone", "stuck") else step.run
    if run is None:
        return step.run, ()
    match shown:
        case "confirmed" | "undone":
            return run, run.confirmed_on
        case "seen":
            return run, run.seen_on
        case _:
            return run, ()
