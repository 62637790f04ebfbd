"""Asked to stop under load, the daemon finishes what is in hand and says goodbye."""

from __future__ import annotations

import threading

from engine.clock import monotonic_ms
from tests.chaos.packs import PACK, stirring
from tests.chaos.world import World


def test_a_stop_under_load_is_clean_and_the_next_start_goes_on(world: World) -> None:
    running = world.daemon("--time", "journal", "--packs", world.pack("swap", PACK))
    running.wait_for("rule base in force")
    producer = threading.Thread(target=world.send, args=(stirring(400, seed=1),), daemon=True)
    producer.start()
    world.wait_until(lambda: world.count_commands() >= 30, running)
    began = monotonic_ms()
    assert running.stop() == 0
    assert monotonic_ms() - began < 2_500
    assert running.said()[-1] == "stopped"
    assert not world.is_caught_up()
    producer.join()
    second = world.daemon("--time", "journal")
    second.wait_for("ready")
    world.come_to_rest(second)
    assert "the last daemon did not stop cleanly" not in second.said()
    world.assert_each_command_once()
    world.assert_same_again()
