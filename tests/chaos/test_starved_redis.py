"""Redis is full, or hangs: the daemon waits, and what was sent under way counts once."""

from __future__ import annotations

import os
import signal
import subprocess
import threading

import pytest
from redis.exceptions import OutOfMemoryError

from engine.store.embedded import EmbeddedServer
from engine.store.wire import SOCKET_TIMEOUT_S
from tests.chaos.packs import PACK, stirring
from tests.chaos.world import Fact, World


@pytest.mark.slow
def test_a_full_redis_refuses_senders_and_holds_the_daemon_up_until_there_is_room(world: World) -> None:
    running = world.daemon("--time", "journal", "--packs", world.pack("swap", PACK))
    running.wait_for("rule base in force")
    world.send(stirring(300, seed=1))
    world.redis.config_set("maxmemory", 1)
    with pytest.raises(OutOfMemoryError):
        world.send([Fact("network", {"id": "base", "base_fee": "1", "height": 1})])
    world.lease_runs_out()  # it cannot be renewed now, and nobody else can take it
    assert running.process.poll() is None
    world.redis.config_set("maxmemory", 0)
    world.send(stirring(100, seed=2))
    world.come_to_rest(running)
    world.assert_each_command_once()
    world.assert_same_again()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_redis_that_hangs_under_load_gets_each_commit_once(own_server: EmbeddedServer, own_world: World) -> None:
    """Longer than the client waits for an answer: the commit is sent again, though the first one will be done too."""
    running = own_world.daemon("--time", "journal", "--packs", own_world.pack("swap", PACK))
    running.wait_for("rule base in force")
    producer = threading.Thread(target=own_world.send, args=(stirring(300, seed=3),), daemon=True)
    producer.start()
    own_world.wait_until(lambda: own_world.count_commands() > 20, running)
    producer.join()
    assert own_server.pid is not None
    os.kill(own_server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(SOCKET_TIMEOUT_S + 3)
    finally:
        os.kill(own_server.pid, signal.SIGCONT)
    own_world.come_to_rest(running)
    own_world.assert_each_command_once()
    own_world.assert_same_again()
