"""Build the joining library under AddressSanitizer and run the random programs in it.

    python -m tests.support.asan [programs]

Everything it makes is in ``.asan/`` of the checkout: the source distribution of the version in use, and its build.
First comes a control that misuses the library on purpose and must be caught; without it, silence would prove nothing.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".asan"
PROGRAMS = 1_500
#: Program lengths under the sanitizer, which is several times slower.
LENGTH = 120
#: Seeds of one child, so that two cores are used and a crash costs little.
SLICE = 250


def main(arguments: list[str]) -> int:
    """Build if needed, run the control, run the programs; the exit code says whether all is well."""
    programs = int(arguments[0]) if arguments else PROGRAMS
    compiler = shutil.which("gcc")
    if compiler is None:
        say("asan: gcc is needed (it brings libasan); nothing was checked")
        return 1
    library = build(compiler)
    environment = {
        **os.environ,
        "LD_PRELOAD": preload(compiler),
        # Freed memory stays poisoned; Python's own arenas would hide what the library does in them.
        "PYTHONMALLOC": "malloc",
        # All fresh memory is filled, so that whoever uses it before setting it goes astray at once.
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1:max_malloc_fill_size=1073741824",
        "PYTHONPATH": os.pathsep.join([str(library.parent), str(ROOT), *filter(None, sys.path)]),
    }
    control = start("misuse()", environment)
    errors = control.communicate()[1]
    if control.returncode == 0 or "AddressSanitizer" not in errors:
        say(f"asan: the control was not caught, so this build finds nothing\n{errors[-2000:]}")
        return 1
    say("asan: the control was caught")
    runs = ["run_wide()"] + [f"run({a}, {min(a + SLICE, programs)})" for a in range(0, programs, SLICE)]
    failed = 0
    while runs:
        batch = [(call, start(call, environment)) for call in runs[:2]]
        del runs[:2]
        for call, child in batch:
            out, errors = child.communicate()
            say(f"asan: {call}: {out.strip() or 'failed'}")
            if child.returncode != 0:
                failed += 1
                say(errors[-6000:])
    say("asan: memory errors or differences" if failed else "asan: no memory error, all groundings equal")
    return 1 if failed else 0


def build(compiler: str) -> Path:
    """The extension module, built from the source distribution of the installed version."""
    version = importlib.metadata.version("durable-rules")
    module = CACHE / version / "lib" / f"durable_rules_engine{sysconfig.get_config_var('EXT_SUFFIX')}"
    if module.exists():
        return module
    source = fetch(version)
    module.parent.mkdir(parents=True, exist_ok=True)
    names = ["rules/json.c", "rules/rete.c", "rules/state.c", "rules/events.c", "rules/regex.c", "rulespy/rules.c"]
    unfinished = module.with_suffix(".part")
    say(f"asan: building durable_rules {version}")
    flags = ["-std=c99", "-D_GNU_SOURCE", "-fPIC", "-shared", "-g", "-O1", "-w", "-fno-omit-frame-pointer"]
    includes = [f"-I{source / 'src/rules'}", f"-I{sysconfig.get_path('include')}"]
    sources = [str(source / "src" / name) for name in names]
    subprocess.run([compiler, *flags, "-fsanitize=address", *includes, *sources, "-o", str(unfinished)], check=True)
    unfinished.rename(module)
    return module


def fetch(version: str) -> Path:
    """The unpacked source distribution."""
    folder = CACHE / version
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob("*.tar.gz")):
        download = ["pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:"]
        subprocess.run(
            [sys.executable, "-m", *download, "--dest", str(folder), f"durable-rules=={version}"], check=True
        )
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    return source


def preload(compiler: str) -> str:
    """The sanitizer's own library: Python itself is not built with it, so it has to be there before Python."""
    answer = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    return str(Path(answer.stdout.strip()).resolve())


def start(call: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    """A child that runs one function of this module in the sanitized library."""
    code = f"from tests.support import asan; asan.{call}"
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=pipe, stderr=pipe, text=True)


def run(first: int, last: int) -> None:
    """In the child: the random programs of these seeds, compared with the plain joiner."""
    sanitized()
    from engine.matching.durable_joiner import DurableJoiner
    from engine.matching.joins import PythonJoiner
    from tests.support.joins import random_program, run_program

    grounded = rebuilds = 0
    for seed in range(first, last):
        program = random_program(seed, LENGTH)
        durable = DurableJoiner(program.shapes, "asan", program.min_dead, program.max_session_facts)
        found = run_program(program, durable)
        if found != run_program(program, PythonJoiner(program.shapes)):
            raise SystemExit(f"program {seed} differs")
        grounded += sum(map(len, found))
        rebuilds += durable.stats().rebuilds
        durable.close()
    say(f"{last - first} programs, {grounded} groundings, {rebuilds} rebuilds")


def run_wide() -> None:
    """In the child: shapes at the limits, which is where tables would overflow."""
    sanitized()
    from engine.matching.shape_limits import MAX_KIND_PATTERNS, MAX_KINDS, MAX_PATTERN_JOINS, MAX_SHAPE_PATTERNS
    from engine.matching.smoke import smoke
    from tests.support.joins import join, shape

    names = [f"f{n}" for n in range(MAX_PATTERN_JOINS)]
    kinds = [f"k{n}" for n in range(MAX_KINDS)]
    deep = shape("k0", *((kind, [join("p", n)]) for n, kind in enumerate(kinds[1:MAX_SHAPE_PATTERNS])))
    shapes = [deep, shape("k0", ("k1", [join(name, 0) for name in names]))]
    shapes += [shape(a, (b, [join("p", 0)])) for a, b in zip(kinds[::2], kinds[1::2], strict=True)]
    shapes += [shape("k0", ("k1", [join("p", 0)])) for _ in range(MAX_KIND_PATTERNS - 3)]
    problem = smoke(shapes[:40]) or smoke(shapes[-70:])
    if problem:
        raise SystemExit(problem)
    from engine.matching.durable_joiner import DurableJoiner

    joiner = DurableJoiner(shapes)
    joiner.add(1, "k0", {"p": 1})
    found = joiner.add(2, "k1", {"p": 1})
    joiner.close()
    say(f"{len(shapes)} shapes at the limits, {len(found)} groundings of one fact")


def misuse() -> None:
    """In the child: what the engine never does, a session deleted in which no probe was dispatched."""
    sanitized()
    import durable_rules_engine as library

    handle = library.create_ruleset("control", '{"r": {"all": [{"a": {"k": 1}}], "count": 1}}')
    library.assert_fact(handle, '{"id":"a","sid":"s","k":2}')
    library.delete_state(handle, "s")


def sanitized() -> None:
    """Stop if the library is not the build under the sanitizer."""
    import durable_rules_engine

    if not Path(durable_rules_engine.__file__).is_relative_to(CACHE):
        raise SystemExit(f"not the sanitized build: {durable_rules_engine.__file__}")


def say(text: str) -> None:
    """One line to the person at the terminal, or to the parent."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
