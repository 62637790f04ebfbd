"""The pack files: found, named apart from where they lie, and kept as canonical JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.errors import Problem
from engine.limits import MAX_PACK_BYTES, MAX_PACK_FILES
from engine.model.rules import Span
from engine.packs.complaints import complain

_SUFFIXES: Final = (".yaml", ".yml")
_TESTS: Final = (".test.yaml", ".test.yml")
_FORMAT: Final = 1
#: Packs that come with the engine, by their folder under ``rules/``.
SHIPPED: Final = ("standard",)


@dataclass(frozen=True, slots=True)
class Source:
    """One pack file.

    Attributes:
        name: relative to the directory given, with ``/``; the same wherever the directory lies.
        raw: its bytes.
        shown: the path as the user gave it, for problems.
    """

    name: str
    raw: bytes
    shown: str

    @property
    def text(self) -> str:
        """The text as it is kept: the same on every system, whatever its line ends."""
        return self.raw.decode("utf-8-sig").replace("\r\n", "\n")


def find_sources(paths: Iterable[Path], problems: list[Problem]) -> list[Source]:
    """The pack files at those paths, by name: of a directory all ``*.yaml`` below it but scenario tests."""
    found: dict[Path, tuple[str, Path]] = {}
    for path in paths:
        if path.is_dir():
            files = [each for each in sorted(path.rglob("*")) if _is_pack(each.relative_to(path)) and each.is_file()]
            for each in files:
                found.setdefault(each.resolve(), (each.relative_to(path).as_posix(), each))
            if not files:
                complain(problems, Span(str(path), 0, 0), "E117", "no pack files here", "packs end in .yaml or .yml")
        elif not path.name.endswith(_TESTS):
            found.setdefault(path.resolve(), (path.name, path))
    if len(found) > MAX_PACK_FILES:
        message = f"{len(found)} pack files; {MAX_PACK_FILES} are allowed"
        complain(problems, Span(str(next(iter(found))), 0, 0), "E116", message, "name fewer directories")
        return []
    sources = [_read(name, path, problems) for name, path in found.values()]
    return _name_apart([source for source in sources if source is not None])


def _is_pack(path: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix in _SUFFIXES and not path.name.endswith(_TESTS) and not is_hidden


def _read(name: str, path: Path, problems: list[Problem]) -> Source | None:
    try:
        with path.open("rb") as file:
            # One byte over the limit is enough to say so.
            raw = file.read(MAX_PACK_BYTES + 1)
    except OSError as error:
        hint = "name a pack file or a directory of them"
        complain(problems, Span(str(path), 0, 0), "E100", f"cannot be read: {error.strerror or error}", hint)
        return None
    return Source(name, raw, str(path))


def _name_apart(sources: list[Source]) -> list[Source]:
    """Files of one name from different directories get numbers, in the order of their content."""
    named: list[Source] = []
    taken: dict[str, int] = {}
    for source in sorted(sources, key=lambda s: (s.name, s.raw)):
        count = taken[source.name] = taken.get(source.name, 0) + 1
        name = source.name if count == 1 else f"{source.name}~{count}"
        named.append(Source(name, source.raw, source.shown))
    return sorted(named, key=lambda s: s.name)


def shipped(pack: str, sources: list[Source]) -> list[Source]:
    """The files of a pack that comes with the engine (``rules/<pack>/`` beside it), named apart from ``sources``."""
    folder = Path(__file__).resolve().parents[2] / "rules" / pack
    taken = {source.name for source in sources}
    found: list[Source] = []
    for path in sorted(folder.glob("*.yaml")):
        name = f"{pack}/{path.name}"
        if _is_pack(Path(path.name)):
            found.append(Source(f"{name}~{pack}" if name in taken else name, path.read_bytes(), name))
    return found


def to_blob(sources: Iterable[Source]) -> bytes:
    """Canonical JSON of the sources: the form that is kept, and whose hash is the revision."""
    files = [{"name": source.name, "text": source.text} for source in sorted(sources, key=lambda s: s.name)]
    body = {"files": files, "format": _FORMAT}
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def from_blob(blob: bytes) -> list[Source]:
    """The sources in a canonical form.

    Raises:
        ValueError: it is none.
    """
    body = json.loads(blob)
    if not isinstance(body, dict) or body.get("format") != _FORMAT or not isinstance(body.get("files"), list):
        raise ValueError("not the canonical form of a rule base")
    made: list[Source] = []
    for each in body["files"]:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str) or not isinstance(each.get("text"), str):
            raise ValueError("not the canonical form of a rule base")
        made.append(Source(each["name"], each["text"].encode(), each["name"]))
    return made


def revision_of(blob: bytes) -> str:
    """First 16 hex digits of its SHA-256."""
    return hashlib.sha256(blob).hexdigest()[:16]
