"""Where the demonstration on live chains plays: two nodes, the relayer between them, a Redis, and the daemon."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from engine.insight.chains.anvil import Anvil
from engine.insight.chains.configuration import KEY_VARIABLE, configuration
from engine.insight.chains.ground import Ground, lay_out
from engine.insight.chains.relayer.settings import settings_for
from engine.insight.demo.stage import Stage, StageError
from engine.insight.demo.trace import TRACE

PACK: Final = TRACE.parents[1] / "chains" / "bridge_then_swap.yaml"
#: Blocks, its own included, after which the relayer pays out on the other side.
RELAYER_DEPTH: Final = 2
#: The operator is the first of the accounts that every anvil has; its key stands in anvil's documentation.
OPERATOR: Final = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
_OPERATOR_KEY: Final = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
_OPTIONS: Final = ("--block-time", "1")


class ChainStage(Stage):
    """A stage with two chains; all of it is gone at the end."""

    def __init__(self, directory: Path, depth: int) -> None:
        """Starts nothing yet.

        Args:
            directory: for everything that is written.
            depth: blocks, its own included, after which the pack believes an event.
        """
        super().__init__(directory)
        self._depth = depth
        self._chains = ExitStack()
        self.home = Anvil(31_337, _OPTIONS)
        self.far = Anvil(31_338, _OPTIONS)
        self._ground: Ground | None = None

    def __enter__(self) -> Self:
        try:
            for chain in (self.home, self.far):
                self._chains.callback(chain.stop)
                chain.start()
            self._stack.push(self._chains)
            return super().__enter__()
        except BaseException:
            self._chains.close()
            self._stack.close()
            raise

    @property
    def ground(self) -> Ground:
        """What is on the chains.

        Raises:
            StageError: X140, nothing is yet.
        """
        if self._ground is None:
            raise StageError("X140", "the chains are bare", "lay out first")
        return self._ground

    def lay_out(self) -> Ground:
        """Deploys and funds everything."""
        self._ground = lay_out(self.home, self.far, OPERATOR)
        return self._ground

    def start_daemon(self) -> int:
        """``lockstep run``, as anybody would start it; gives its process id."""
        file = self._directory / "lockstep.yaml"
        file.write_text(configuration(self.ground, self._depth), encoding="utf-8")
        words = ("run", "--config", str(file), "--packs", str(PACK), "--redis", f"unix://{self.socket}")
        data = str(self._directory / "data")
        environment = {KEY_VARIABLE: _OPERATOR_KEY}
        return self._start("daemon", "engine.cli", *words, "--data", data, environment=environment)

    def start_relayer(self) -> int:
        """The service that carries deposits over the bridge."""
        file = self._directory / "relayer.json"
        file.write_text(settings_for(self.ground, RELAYER_DEPTH).model_dump_json(), encoding="utf-8")
        return self._start("relayer", "engine.insight.chains.relayer", str(file))

    def kill_relayer(self) -> None:
        """``kill -9``; it is to be started again."""
        self._kill("relayer")

    def check(self) -> None:
        """Raises StageError or ChainError if something has ended that must not have."""
        super().check()
        self.home.check()
        self.far.check()
