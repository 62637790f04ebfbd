import subprocess
from pathlib import Path

from tests.integration.cli.conftest import Lockstep
from tests.integration.cli.program import PROGRAM, environment


def test_good_packs_are_ok(lockstep: Lockstep, packs: Path) -> None:
    ran = lockstep("check", packs)
    assert ran.code == 0
    assert "ok: 1 rule, 0 errors, 0 warnings" in ran.out


def test_every_problem_of_every_file_is_reported_with_its_place(lockstep: Lockstep, packs: Path) -> None:
    text = (packs / "gas.yaml").read_text()
    (packs / "gas.yaml").write_text(text.replace("n.base_fee <=", "n.basefee <="))
    (packs / "other.yaml").write_text("pack: other\nversion: one\n")
    ran = lockstep("check", packs)
    assert ran.code == 1
    assert f"{packs}/gas.yaml:19:38: E203" in ran.out
    assert f"{packs}/other.yaml:2:" in ran.out
    assert "; did you mean 'base_fee'?" in ran.out


def test_problems_as_json_have_file_line_column_code_message_and_hint(lockstep: Lockstep, packs: Path) -> None:
    text = (packs / "gas.yaml").read_text()
    (packs / "gas.yaml").write_text(text.replace("n.base_fee <=", "n.basefee <="))
    found = lockstep("check", packs, "--json").json
    assert found["ok"] is False
    assert found["problems"][0].keys() == {"file", "line", "column", "code", "message", "hint"}
    assert found["problems"][0]["line"] == 19


def test_a_missing_path_is_a_problem_not_a_traceback(lockstep: Lockstep) -> None:
    ran = lockstep("check", "nowhere.yaml", "--json")
    assert ran.code == 1
    assert ran.json["problems"][0]["code"] == "E100"


def test_no_path_is_a_usage_error(lockstep: Lockstep) -> None:
    assert lockstep("check").code == 2


def test_no_color_is_honoured(lockstep: Lockstep, packs: Path) -> None:
    assert "\x1b" not in lockstep("check", packs).out


def test_a_reader_that_leaves_is_no_error(packs: Path) -> None:
    for number in range(200):
        (packs / f"bad{number}.yaml").write_text("rule: x\n" * 5)
    with subprocess.Popen(
        [*PROGRAM, "check", str(packs)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.readline()
        program.stdout.close()
        said = program.stderr.read()
    assert said == ""
    assert program.returncode == 1  # the packs' own verdict, not the pipe's
