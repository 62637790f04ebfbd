"""A rule base that was read beforehand is gone over to as one that is read in its place."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from engine.model.journal import StreamId
from engine.packs.bundle import load_blob, load_paths
from engine.runtime import reload
from engine.runtime.preparing import InForce, Preparing, Ready, make_ready
from tests.support.deployment import Deployment

START = 1_800_000_000_000
PACK = """
pack: heat
version: {version}
kinds:
  reading:
    key: [id]
    ttl: 1h
    fields: {{id: id, value: int}}
  warm:
    key: [id]
    concluded: true
    fields: {{id: id, by: int}}
rules:
  - rule: {name}
    was: {was}
    when:
      - reading: r
        where: r.value > {limit}
    then:
      - command: log.hot
        with: {{id: =r.id}}
  - rule: warm
    when:
      - reading: r
        where: r.value > 10
    then:
      - conclude: warm
        with: {{id: =r.id, by: =r.value - {limit}}}
"""


def stored(folder: Path, version: int, limit: int, name: str = "hot", was: str = "old") -> tuple[str, bytes]:
    folder.mkdir(exist_ok=True)
    (folder / "heat.yaml").write_text(PACK.format(version=version, limit=limit, name=name, was=was))
    loaded = load_paths([folder])
    assert loaded.rulebase is not None, loaded.problems
    return loaded.rulebase.revision, loaded.blob


def _same(ready: Ready) -> Ready:
    return ready


async def history(folder: Path, *, is_prepared: bool) -> Deployment:
    """A rule base is replaced by one in which a rule has another name and limit, and a conclusion another value."""
    made = Deployment(500)
    revisions = [stored(folder, 1, 40), stored(folder, 2, 20, "hotter", "hot")]
    made.revisions.update(revisions)
    now, replaces = START, ""
    for revision, blob in revisions:
        loop = await made.started()
        if is_prepared:
            now_in_force = loop.in_force()
            assert now_in_force is not None
            ready = make_ready(blob, now_in_force)
            loop.ready = partial(_same, ready)
        order = {"revision": revision, "replaces": replaces, "accept": 100}
        made.append(StreamId(now, 0), made.sign("rulebase", order, "cli"))
        for number, value in enumerate((5, 15, 25, 50)):
            data = f'{{"id":"r{number}","value":{value}}}'
            entry = {"op": "assert", "kind": "reading", "source": "s", "data": data}
            made.append(StreamId(now, number + 1), entry)
        await made.decide(now + 1, 500)
        now, replaces = now + 1_000, revision
    await made.kill()
    return made


async def test_what_was_read_beforehand_decides_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = await history(tmp_path / "packs", is_prepared=False)
    with monkeypatch.context() as patched:
        patched.setattr(reload, "make_ready", lambda *_: pytest.fail("it was read again"))
        fast = await history(tmp_path / "packs", is_prepared=True)
    assert [dict(fields)[b"verb"] for _, fields in slow.streams["outbox"]] == [b"hot", b"hot"]
    assert fast.streams == slow.streams
    assert (fast.state.facts, fast.state.active) == (slow.state.facts, slow.state.active)


class Stored:
    """Revisions, the last one newest."""

    def __init__(self, *revisions: tuple[str, bytes]) -> None:
        self.revisions = dict(revisions)

    async def newest_revision(self) -> str | None:
        return list(self.revisions)[-1] if self.revisions else None

    async def get_revision(self, revision: str) -> bytes | None:
        return self.revisions.get(revision)


async def test_only_what_is_not_in_force_is_made_ready_and_only_what_changed_is_compiled(tmp_path: Path) -> None:
    one, other = stored(tmp_path, 1, 40), stored(tmp_path, 2, 20)
    first = make_ready(one[1], InForce(load_blob(one[1]), {}))
    store = Stored(one)
    preparing = Preparing(store, lambda: InForce(first.rulebase, first.compiled))
    await preparing.look()
    assert preparing.revision == ""
    store.revisions.update([other])
    await preparing.look()
    assert preparing.revision == other[0]
    assert preparing.ready is not None
    assert preparing.ready.against == one[0]
    assert "~ rule heat.hot" in preparing.ready.changes
    unchanged = make_ready(one[1], InForce(first.rulebase, first.compiled))
    assert all(unchanged.compiled[name] is made for name, made in first.compiled.items())


async def test_a_stored_rule_base_that_does_not_load_is_left_for_its_order_to_refuse(tmp_path: Path) -> None:
    one = stored(tmp_path, 1, 40)
    first = make_ready(one[1], InForce(load_blob(one[1]), {}))
    preparing = Preparing(Stored(("bad", b"nonsense")), lambda: InForce(first.rulebase, first.compiled))
    await preparing.look()
    assert (preparing.ready, preparing.revision) == (None, "")
