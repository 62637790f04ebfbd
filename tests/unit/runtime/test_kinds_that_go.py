"""A kind that goes with its pack and comes back later: what was remembered of it is forgotten, restart or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.journal import StreamId
from engine.packs.bundle import load_paths
from engine.runtime.replay.replay import replay
from tests.support.deployment import Deployment, DeploymentRecording

START = 1_800_000_000_000
KIND = """
pack: {name}
version: 1
kinds:
  {name}:
    key: [id]
    ttl: 1h
    fields: {{id: id, value: int}}
rules: []
"""


def stored(folder: Path, *names: str) -> tuple[str, bytes]:
    folder.mkdir()
    for name in names:
        (folder / f"{name}.yaml").write_text(KIND.format(name=name))
    loaded = load_paths([folder])
    assert loaded.rulebase is not None, loaded.problems
    return loaded.rulebase.revision, loaded.blob


@pytest.mark.parametrize("restarts", [(), (0,), (1,), (2,), (3,), (0, 1, 2, 3)])
async def test_a_retraction_is_forgotten_with_its_kind(tmp_path: Path, restarts: tuple[int, ...]) -> None:
    both, one = stored(tmp_path / "both", "price", "network"), stored(tmp_path / "one", "network")
    made = Deployment(500)
    made.revisions.update([both, one])

    def order(revision: str, replaces: str) -> dict[str, str]:
        return made.sign("rulebase", {"revision": revision, "replaces": replaces, "accept": 100}, "cli")

    word = {"op": "assert", "kind": "price", "source": "s", "data": '{"id":"x","value":1}', "observed_at": str(START)}
    gone = {"op": "retract", "kind": "price", "source": "s", "data": '{"id":"x"}', "observed_at": str(START + 5)}
    entries = [order(both[0], ""), word, gone, order(one[0], both[0]), order(both[0], one[0]), word]
    for number, fields in enumerate(entries):
        made.append(StreamId(START + 10 + number, 0), fields)
        await made.decide(START + 11 + number, 500)
        if number - 2 in restarts:
            await made.kill()
    await made.kill()
    assert [name for name in made.state.facts if b'"price"' in name] == [b'["price",["x"]]']
    assert [name for name in made.state.active if name.startswith(b'["t"')] == []


@pytest.mark.parametrize("restarts", [(), (0,), (1,), (2,), (0, 1, 2)])
async def test_the_facts_of_a_kind_that_comes_back_are_read_again(tmp_path: Path, restarts: tuple[int, ...]) -> None:
    both, one = stored(tmp_path / "both", "price", "network"), stored(tmp_path / "one", "network")
    made = Deployment(500)
    made.revisions.update([both, one])
    word = {"op": "assert", "kind": "price", "source": "s", "data": '{"id":"x","value":1}', "observed_at": str(START)}
    late = word | {"data": '{"id":"x","value":2}', "observed_at": str(START - 5)}
    replaces = ""
    for number, (revision, said) in enumerate([(both[0], word), (one[0], word), (both[0], late)]):
        order = {"revision": revision, "replaces": replaces, "accept": 100}
        made.append(StreamId(START + 10 * number, 0), made.sign("rulebase", order, "cli"))
        made.append(StreamId(START + 10 * number, 1), said)
        await made.decide(START + 10 * number + 1, 500)
        replaces = revision
        if number in restarts:
            await made.kill()
    await made.kill()
    assert b'"value":1' in made.state.facts[b'["price",["x"]]'], "the late word is older than what is known"
    assert len(made.streams["rejected"]) == 1, "there was no such kind meanwhile"
    verdict = await replay(DeploymentRecording(made))
    assert verdict.first_difference is None, verdict
