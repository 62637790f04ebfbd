"""The secret's file: made once, private, and refused when it is not."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.store.secret import ensure_secret, read_secret, secret_path


def code_of(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_secret(path)
    return caught.value.code


def test_a_secret_is_made_private_and_stays(tmp_path: Path) -> None:
    path = secret_path(tmp_path, None)
    first = ensure_secret(path)
    assert len(first) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert ensure_secret(path) == read_secret(path) == first
    assert os.listdir(tmp_path) == ["secret"]


def test_two_secrets_differ(tmp_path: Path) -> None:
    assert ensure_secret(tmp_path / "a") != ensure_secret(tmp_path / "b")


def test_a_named_file_is_used(tmp_path: Path) -> None:
    named = tmp_path / "other"
    assert secret_path(tmp_path, str(named)) == named


def test_processes_that_start_together_get_the_same_secret(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(ensure_secret, [path] * 16))) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_a_secret_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    ensure_secret(path)
    path.chmod(mode)
    assert code_of(path) == "S131"


def test_what_is_no_secret_is_refused(tmp_path: Path) -> None:
    assert code_of(tmp_path / "none") == "S130"
    short = tmp_path / "short"
    short.write_bytes(b"tiny\n")
    short.chmod(0o600)
    assert code_of(short) == "S133"
    long = tmp_path / "long"
    long.write_bytes(b"x" * 5_000)
    long.chmod(0o600)
    assert code_of(long) == "S133"
    assert code_of(tmp_path) == "S134"


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
def test_a_secret_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    ensure_secret(path)
    os.chown(path, 12345, 12345)
    assert code_of(path) == "S132"


def test_a_secret_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        ensure_secret(tmp_path / "missing" / "secret")
    assert caught.value.code == "S134"
