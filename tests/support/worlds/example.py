"""The example of connectors/README.md, run as it stands there."""

from __future__ import annotations

import asyncio
import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from connectors.base import Connector
from tests.support.line import Trouble
from tests.support.worlds.base import World

README = Path(__file__).parents[3] / "connectors" / "README.md"
_MOST_TRIES = 9


def blocks(language: str) -> list[str]:
    """What the page has in that language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def example(name: str) -> type[Connector]:
    """The connector of that name."""
    (code,) = (block for block in blocks("python") if f"class {name}(" in block)
    names: dict[str, Any] = {"__name__": name}
    exec(compile(code, str(README), "exec"), names)  # noqa: S102 - the example is ours
    made: type[Connector] = names[name]
    return made


def install(name: str, site: Path) -> None:
    """The package of the page, with that connector, as pip would leave it."""
    points = tomllib.loads(blocks("toml")[0])["project"]["entry-points"]["lockstep.connectors"]
    (point,) = (point for point in points.values() if point.endswith(f":{name}"))
    module = site.joinpath(*point.partition(":")[0].split("."))
    module.parent.mkdir(parents=True, exist_ok=True)
    (code,) = (block for block in blocks("python") if f"class {name}(" in block)
    module.with_suffix(".py").write_text(code)
    (module.parent / "__init__.py").touch()
    about = site / f"{module.parent.name}-1.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.parent.name}\nVersion: 1\n")
    lines = [f"{type_name} = {value}" for type_name, value in points.items()]
    (about / "entry_points.txt").write_text("\n".join(["[lockstep.connectors]", *lines, ""]))


class SpoolWorld(World):
    """An effect is a file."""

    name = "spool"
    kind = example("SpoolConnector")
    success = frozenset({"sent"})
    resumes = False
    cannot: ClassVar[Mapping[Trouble, str]] = {Trouble.REFUSES: "a directory takes what it is given"}

    async def open(self) -> None:
        self._pipes: list[Path] = []
        self._blocks: list[Path] = []

    async def close(self) -> None:
        self.mend()

    def install(self, site: Path) -> None:
        install("SpoolConnector", site)

    @property
    def directory(self) -> Path:
        return self.place.directory / "spool"

    def options(self) -> dict[str, Any]:
        return {"directory": str(self.directory)}

    async def effects(self) -> list[str]:
        return await asyncio.to_thread(lambda: sorted(path.stem for path in self.directory.glob("*.json")))

    async def expiry_at_receiver(self, command_id: str) -> int | None:
        text = await asyncio.to_thread((self.directory / f"{command_id}.json").read_text)
        expires: int | None = json.loads(text)["expires"]
        return expires

    def meet(self, trouble: Trouble, *ids: str) -> None:
        if trouble is Trouble.LOSES:
            super().meet(trouble, *ids)
            return
        self.directory.mkdir(exist_ok=True)
        for command_id in ids:
            for attempt in range(1, _MOST_TRIES + 1):
                draft = self.directory / f"{command_id}.{attempt}.part"
                if trouble is Trouble.FAILS:
                    draft.mkdir()  # which cannot be opened
                    self._blocks.append(draft)
                else:
                    os.mkfifo(draft)  # which is not open before somebody reads it
                    self._pipes.append(draft)

    def mend(self) -> None:
        super().mend()
        for block in self._blocks:
            block.rmdir()
        self._blocks.clear()
        for pipe in self._pipes:
            # Whoever waits for a reader goes on, and cannot sync a pipe.
            reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
            pipe.unlink()
            os.close(reader)
        self._pipes.clear()
