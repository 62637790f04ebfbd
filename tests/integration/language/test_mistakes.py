"""Packs with mistakes: every one is said at its place, with what to write instead, and nobody sees a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.journal_engine import checked, write_packs

HEAD = """\
pack: p
version: 1
params:
  cap: {type: wei, default: 30 gwei}
kinds:
  net:
    key: [id]
    ttl: 1d
    fields: {id: id, fee: wei, height: int, tip: wei?, asset: id, pool: amount(asset), word: "enum(open, closed)"}
  order:
    key: [id]
    ttl: 1d
    fields: {id: id, net: id, asset: id, amount: amount(asset), by: timestamp}
  alert: {concluded: true, key: [id], fields: {id: id}}
  stamp: {event: true, keep: while_used, key: [id], fields: {id: id}}
"""
ROOT = Path(__file__).parents[3]


def where(condition: str) -> str:
    """A rule whose one condition begins at 20:16."""
    return rule(f"- net: n\n        where: {condition}")


def rule(when: str, then: str = "- command: log.go", more: str = "") -> str:
    """A rule whose `when` begins at line 19 and whose `then` begins two lines behind it."""
    return f"{HEAD}rules:\n  - rule: one\n    when:\n      {when}\n    then:\n      {then}\n    {more}\n"


def kind(old: str, new: str) -> str:
    """The head with something changed in it."""
    assert old in HEAD
    return HEAD.replace(old, new, 1)


def schedule(body: str) -> str:
    """The head and a schedule, whose body stands at 17:5."""
    return f"{HEAD}schedules:\n  - {{schedule: s, {body}}}\n"


# What is written; the place and code of its first problem; what must be said of it.
MISTAKES = {
    # §1 reading
    "an anchor": (kind("pack: p", "pack: &x p"), "1:7 E106", "anchor"),
    "an alias": (HEAD + "rules: *x\n", "16:8 E106", "write the value out"),
    "a merge key": (HEAD + "schedules:\n  - {<<: {a: b}}\n", "17:6 E108", "merge"),
    "a tag": (kind("version: 1", "version: !!int 1"), "2:10 E107", "!!int"),
    "a Python tag": (HEAD + "rules: !!python/object/apply:os.system ['ls']\n", "16:8 E107", "python/object"),
    "two documents": (HEAD + "---\npack: q\n", "16:1 E109", "one file, one document"),
    "a key twice": (HEAD + "kinds: {}\n", "16:1 E111", "line 5"),
    "a tab": (kind("  net:", "\tnet:"), "6:1 E104", "spaces"),
    "a bomb": ("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "1:4 E106", "anchor"),
    "no as a key": (HEAD + "no: 1\n", "16:1 E301", "'no'"),
    "yes for true": (kind("concluded: true", "concluded: yes"), "14:22 E303", "true, false"),
    "a text cut at its comma": (
        HEAD + "rules:\n  - {rule: one, when: [{net: n, where: floor_div(n.fee, 2) > 1}], then: [{command: log.go}]}\n",
        "17:40 E110",
        '"floor_div(n.fee, 2) > 1"',
    ),
    "a bracket not closed": (HEAD + "rules: [\n", "17:1 E105", "not YAML"),
    "a colon": (HEAD + "rules:\n  - rule: one\n    doc: a: b\n", "18:11 E105", "quote"),
    "nothing": ("", "1:1 E115", "pack: name"),
    "a list": ("- a\n", "1:1 E300", "mapping"),
    "bytes": ("\x00\x01", "1:1 E103", "U+0000"),
    "depth": ("a: " + "[" * 100 + "]" * 100, "1:35 E113", "deeper"),
    "no pack": (kind("pack: p\n", ""), "1:1 E302", "'pack'"),
    "a misspelt section": (HEAD + "rule: x\n", "16:1 E301", "did you mean 'rules'"),
    "a pack that is not there": (kind("version: 1", "version: 1\nuse: [standart]"), "3:7 E311", "'standard'"),
    "a name with blanks": (kind("pack: p", "pack: My Pack"), "1:7 E304", "a-z"),
    # §2 kinds
    "no key": (kind("    key: [id]\n", ""), "7:5 E302", "'key'"),
    "a key that is no field": (kind("key: [id]", "key: [idd]"), "7:11 E401", "did you mean 'id'"),
    "no life": (kind("    ttl: 1d\n", ""), "7:5 E412", "ttl"),
    "a duration in words": (kind("ttl: 1d", "ttl: 1 day"), "8:10 E237", "30d"),
    "a duration without unit": (kind("ttl: 1d", "ttl: 10"), "8:10 E237", "10s"),
    "an unknown type": (kind("height: int", "height: integer"), "9:40 E404", "write 'int'"),
    "a float": (kind("height: int", "height: float"), "9:40 E404", "int"),
    "an amount of nothing": (kind("amount(asset), word", "amount(assets), word"), "9:73 E411", "asset"),
    "a key that may be absent": (kind("fields: {id: id, fee", "fields: {id: id?, fee"), "7:11 E408", "?"),
    "an order by text": (kind("ttl: 1d", "ttl: 1d\n    order: [asset]"), "9:13 E410", "number"),
    "an order without ttl": (kind("ttl: 1d", "keep: while_used\n    order: [height]"), "9:5 E413", "ttl"),
    "for ever without limit": (kind("ttl: 1d", "permanent: true"), "8:5 E412", "limit"),
    "the engine's kind": (HEAD + "  command: {key: [id], ttl: 1h, fields: {id: id}}\n", "16:3 E402", "own"),
    "a default of another type": (kind("height: int", "height: {type: int, default: x}"), "9:61 E230", "integer"),
    "a block that is no field": (kind("ttl: 1d", "ttl: 1d\n    chain: {network: id, block: h}"), "9:33 E415", "'h'"),
    "a parameter of half a gwei": (kind("30 gwei", "30.5 gwei"), "4:29 E230", "smaller unit"),
    "a unit nobody knows": (kind("30 gwei", "30 gweis"), "4:29 E231", "gwei, ether"),
    # §3 expressions
    "one =": (where("n.fee = 3"), "20:22 E204", "write =="),
    "&&": (where("n.fee > 3 && n.height > 3"), "20:26 E204", "and"),
    "a unit": (where("n.fee < 30 gwei"), "20:24 E215", "gwei(30)"),
    "a duration": (where("age(n) < 30s"), "20:25 E215", "seconds(30)"),
    "a misspelt field": (where("n.heigth > 3"), "20:16 E203", "did you mean 'height'"),
    "a misspelt alias": (where("m.height > 3"), "20:16 E202", "so far: n"),
    "a misspelt parameter": (where("n.fee < params.caps"), "20:24 E202", "cap"),
    "a misspelt function": (where("flor_div(n.height, 3) > 1"), "20:16 E205", "did you mean 'floor_div'"),
    "a fraction": (where("n.height > 1.5"), "20:27 E214", "integers"),
    "a division": (where("n.height / 2 > 1"), "20:25 E213", "floor_div(a, b)"),
    "a remainder": (where("n.height % 2 > 1"), "20:25 E213", "mod(a, b)"),
    "a power": (where("n.height ** 2 > 1"), "20:25 E213", "pow10"),
    "a method": (where("n.id.startswith('a')"), "20:16 E204", "called"),
    "an import": (where("__import__('os').system('ls') == 0"), "20:16 E204", "called"),
    "a comprehension": (where("any(x for x in [1])"), "20:22 E204", "'for'"),
    "None": (where("n.tip == None"), "20:25 E204", "has(x.f)"),
    "an absent field": (where("n.tip > 3"), "20:16 E210", "has(n.tip)"),
    "two units": (where("n.fee < n.height"), "20:16 E208", "raw(n.fee)"),
    "an amount of another asset": (
        rule("- net: n\n      - order: o\n        where: o.net == n.id and o.amount <= n.pool"),
        "21:34 E207",
        "add 'o.asset == n.asset'",
    ),
    "a word that is no option": (where('n.word == "opened"'), "20:26 E216", "did you mean 'open'"),
    "a word without quotes": (where("n.word == open"), "20:26 E202", "quotes"),
    "text and number": (where('n.height == "3"'), "20:16 E209", "without quotes"),
    "no condition": (where("n.height"), "20:16 E217", "n.height != 0"),
    "an instant by ==": (where("now == n.height"), "20:16 E2", ""),
    "now inside": (where("floor_div(now, 2) < 3"), "20:26 E208", "now"),
    "now in a let": (rule("- net: n\n      - let: x\n        be: now"), "21:13 E211", "then:"),
    "a parenthesis not closed": (where("(n.height > 1"), "20:16 E200", "never closed"),
    "an empty condition": (where(""), "20:15 E305", "empty"),
    "a number of 600 digits": (where("n.height > " + "9" * 600), "20:27 E215", "78"),
    "too few arguments": (where("floor_div(n.height) > 1"), "20:16 E206", "floor_div(a, b)"),
    "a quote from a web page": (where("n.word == \u201copen\u201d"), "20:26 E204", "straight quote"),
    # §4 rules
    "no when": (HEAD + "rules:\n  - rule: one\n    then: [{command: log.go}]\n", "17:5 E302", "when"),
    "no then": (HEAD + "rules:\n  - rule: one\n    when: [{net: n}]\n", "17:5 E302", "then"),
    "a misspelt kind": (rule("- nett: n"), "19:9 E320", "did you mean 'net'"),
    "a kind of a pack not named": (rule("- intent: n"), "19:9 E320", "use: [standard]"),
    "a name bound twice": (rule("- net: n\n      - order: n"), "20:16 E321", "rename"),
    "a misspelt key": (rule("- net: n\n        were: n.height > 1"), "20:9 E301", "did you mean 'where'"),
    "a product too large": (rule("- net: n\n      - order: o\n      - net: m"), "20:9 W301", "joins"),
    "a without that joins nothing": (
        rule("- net: n\n      - without: order\n        as: o\n        where: o.amount > 3"),
        "22:9 E",
        "",
    ),
    "a without without as": (
        rule("- net: n\n      - without: order\n        where: o.net == n.id"),
        "20:9 E302",
        "'as'",
    ),
    "a sum over nothing": (
        rule("- net: n\n      - sum: s\n        of: o.amount\n        as: o"),
        "20:9 E302",
        "'over'",
    ),
    "a quorum of one claim": (rule("- net: n\n        quorum: 2"), "20:9 E324", "claims: per_source"),
    "best of what": (
        rule("- net: n\n      - best: b\n        of: order\n        where: b.net == n.id"),
        "20:9 E302",
        "'by'",
    ),
    "a command without verb": (rule("- net: n", "- command: go"), "21:18 E342", "connector.verb"),
    "an effect misspelt": (rule("- net: n", "- comand: log.go"), "21:9 E340", "command"),
    "a forgotten =": (rule("- net: n", "- command: log.go\n        with: {a: n.height}"), "22:19 W303", "=n.height"),
    "a brace not closed": (rule("- net: n", "- command: log.go\n        with: {a: 'x {n.id'}"), "22:22 E222", "{{"),
    "expires after a while": (rule("- net: n", "- command: log.go\n        expires: 60s"), "22:18 E343", "now +"),
    "a fact with holes": (rule("- net: n", "- assert: order\n        with: {id: x}"), "22:9 E348", "'net'"),
    "a conclusion asserted": (rule("- net: n", "- assert: alert\n        with: {id: x}"), "21:17 E345", "conclude"),
    "a fact concluded": (rule("- net: n", "- conclude: order\n        with: {id: x}"), "21:19 E346", "concluded: true"),
    "the engine's kind made": (rule("- net: n", "- assert: command\n        with: {id: x}"), "21:17 E344", "never"),
    "a retraction without key": (rule("- net: n", "- retract: order"), "21:9 E302", "'key'"),
    "a command at the end": (rule("- net: n", more="ended: [{command: log.x}]"), "22:14 E341", "assert, retract"),
    "no such stage": (rule("- net: n", more="stage: test"), "22:12 E303", "live, shadow"),
    "for what": (rule("- net: n", more="for: 12"), "22:10 E237", "12s"),
    "no such window": (rule("- net: n", more="window: hours"), "22:13 E352", "schedules:"),
    "exhausted of nothing": (rule("- net: n", more="exhausted: [{command: log.x}]"), "22:5 E350", "repeat"),
    "a priority of text": (rule("- net: n", more="priority: =n.id"), "22:5 E353", "number"),
    "a circle through without": (
        rule(
            "- net: n\n      - without: stamp\n        as: s\n        where: s.id == n.id",
            "- assert: stamp\n        with: {id: =n.id}",
        ),
        "20:9 E330",
        "p.one",
    ),
    # §5 schedules
    "weekdays in digits": (schedule("cron: 0 8 * * 1-5"), "17:25 E501", "mon-fri"),
    "a day and a weekday": (schedule("cron: 0 8 1 * mon"), "17:25 E501", "two schedules"),
    "four fields": (schedule("cron: 0 8 * *"), "17:25 E501", "five"),
    "hour 25": (schedule("cron: 0 25 * * *"), "17:25 E501", "0 to 23"),
    "no such zone": (schedule("cron: 0 8 * * *, timezone: Europe/Zurick"), "17:46 E502", "IANA"),
    "hours cut at their comma": (
        schedule("window: {open: 0 8,9 * * *, close: 0 10 * * *}"),
        "17:34 E110",
        '"0 8,9 * * *"',
    ),
    "never": (schedule("every: 0s"), "17:26 E303", "longer"),
    "missed what": (schedule("every: 6h, missed: never"), "17:38 E303", "latest, all, skip"),
    "no time": (HEAD + "schedules:\n  - {schedule: s}\n", "17:5 E506", "every: 6h"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_said_at_its_place_with_what_to_write_instead(tmp_path: Path, name: str) -> None:
    text, place, words = MISTAKES[name]
    rulebase, problems = checked(tmp_path, text)
    assert problems
    where_, code = place.split()
    said = [p for p in problems if f"{p.line}:{p.column}" == where_ and p.code.startswith(code)]
    assert said, [str(p) for p in problems]
    assert words in f"{said[0].message}; {said[0].hint}", str(said[0])
    assert (rulebase is None) == any(p.is_error for p in problems)
    for problem in problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.hint, str(problem)
        assert len(str(problem)) < 600


def lockstep(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """The program, run to its end."""
    command = [sys.executable, "-m", "engine.cli.main", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "300"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_check_says_all_problems_of_all_files_in_one_run(tmp_path: Path) -> None:
    texts = [text.replace("pack: p\n", f"pack: p{number}\n") for number, (text, *_) in enumerate(MISTAKES.values())]
    names = [f"kind{number}" for number in range(len(texts))]
    for number, text in enumerate(texts):  # kinds are global: each file has its own
        for word in ("net", "order", "alert", "stamp"):
            text = text.replace(f"\n  {word}:", f"\n  {word}{number}:").replace(f"- {word}: ", f"- {word}{number}: ")
            text = text.replace(f": {word}\n", f": {word}{number}\n")
        (tmp_path / f"{names[number]}.yaml").write_text(text, encoding="utf-8")
    done = lockstep("check", "--json", tmp_path)
    assert done.returncode == 1
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["ok"] is False
    files = {Path(problem["file"]).stem for problem in told["problems"]}
    assert files == set(names)
    for problem in told["problems"]:
        assert set(problem) >= {"file", "line", "column", "code", "message", "hint"}
        assert problem["code"][0] in "EW"


def test_check_for_people_has_file_line_column_code_and_hint(tmp_path: Path) -> None:
    folder = write_packs(tmp_path, [where("n.heigth > 3")])
    done = lockstep("check", folder)
    assert done.returncode == 1
    assert f"{folder}/pack0.yaml:20:16: E203 kind 'net' has no field 'heigth'; did you mean 'height'?" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_check_of_what_is_not_there_says_so(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"pack: p\ndoc: \xff\n")
    (tmp_path / "empty").mkdir()
    for path, code in (("latin.yaml", "E102"), ("nowhere", "E100"), ("empty", "E117")):
        done = lockstep("check", "--json", tmp_path / path)
        assert done.returncode == 1
        assert [problem["code"] for problem in json.loads(done.stdout)["problems"]] == [code]
