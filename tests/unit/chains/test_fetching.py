"""Where the node and the compiled contracts come from and are kept, and what is said when they cannot be had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.insight.chains import cache, contracts, program
from engine.insight.chains.contracts import compiled_file
from engine.insight.chains.problems import ChainError


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    place = tmp_path / "kept"
    place.mkdir()
    monkeypatch.setattr(program, "cache_directory", lambda: place)
    monkeypatch.setattr(contracts, "cache_directory", lambda: place)
    return place


def on_path(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str | None) -> None:
    """An npm that does what the script says, or none."""
    directory.mkdir()
    if script is not None:
        npm = directory / "npm"
        npm.write_text(f"#!/bin/sh\n{script}\n")
        npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin" if script else str(directory))


def test_without_npm_it_is_said_what_to_install(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path(tmp_path / "bin", monkeypatch, None)
    with pytest.raises(ChainError, match=r"X151 there is no npm .*install Node\.js"):
        program.anvil_program()


def test_what_npm_says_against_it_is_told(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path(tmp_path / "bin", monkeypatch, "echo 'npm error code ENOTFOUND' >&2; exit 1")
    with pytest.raises(ChainError, match=r"X152 npm cannot fetch anvil .*ENOTFOUND"):
        program.anvil_program()


def test_a_machine_for_which_there_is_no_node_is_told_so(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(tmp_path / "bin", monkeypatch, "exit 0")
    with pytest.raises(ChainError, match="X152 npm has no @foundry-rs/anvil-"):
        program.anvil_program()


def test_the_node_is_fetched_once(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    place = "node_modules/@foundry-rs/anvil-linux-amd64/bin"
    on_path(tmp_path / "bin", monkeypatch, f'echo "$@" >> asked; mkdir -p {place}; touch {place}/anvil')
    assert program.anvil_program() == program.anvil_program() == kept / place / "anvil"
    asked = (kept / "asked").read_text().splitlines()
    assert asked == [f"install --prefix {kept} --no-audit --no-fund @foundry-rs/anvil@{program.VERSION}"]


def test_a_checkout_keeps_them_itself_and_an_installed_package_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_ROOT", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "users"))
    assert cache.cache_directory() == tmp_path / "users" / "lockstep" / "anvil"
    (tmp_path / "pyproject.toml").touch()
    assert cache.cache_directory() == tmp_path / ".anvil"
    monkeypatch.setattr("os.access", lambda *_: False)
    assert cache.cache_directory() == tmp_path / "users" / "lockstep" / "anvil"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.cache_directory() == tmp_path / "home" / ".cache" / "lockstep" / "anvil"


def test_a_contract_is_compiled_when_its_source_is_new(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []

    def compile_(path: Path) -> str:
        compiled.append(path.read_text())
        return f"0x{len(compiled):02x}"

    monkeypatch.setattr(contracts, "_compile", compile_)
    source = tmp_path / "a.vy"
    source.write_text("one")
    assert [compiled_file(source).bytecode, compiled_file(source).bytecode] == ["0x01", "0x01"]
    source.write_text("two")
    assert compiled_file(source).bytecode == "0x02"
    assert compiled == ["one", "two"]
    assert {json.loads(f.read_text())["bytecode"] for f in (kept / "contracts").iterdir()} == {"0x01", "0x02"}


def test_a_contract_that_does_not_compile_is_told_with_the_compilers_words(kept: Path, tmp_path: Path) -> None:
    source = tmp_path / "broken.vy"
    source.write_text("x: public(nothing)\n")
    with pytest.raises(ChainError, match=r"(?s)X156 broken\.vy does not compile.*nothing"):
        compiled_file(source)
    assert not (kept / "contracts").exists()
