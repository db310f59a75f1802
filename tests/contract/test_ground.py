"""The ground holds: the guard bites, every module stands alone, and the wheels carry what the checkout links to."""

import ast
import os
import subprocess
import sys
import textwrap
import tomllib
import venv
from pathlib import Path

import pytest

PACKAGES = {"skrutinium_server": "server", "skrutinium": "sdk"}
CONTRACT = ("xsd", "codebooks", "samples")


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def pytest_on(source: str, folder: Path, repository: Path) -> subprocess.CompletedProcess[str]:
    """Run one test file, with the repository's settings and its guard."""
    file = folder / "test_made.py"
    file.write_text(textwrap.dedent(source))
    plugins = ("-p", "tests.loop_guard", "-p", "no:randomly", "-p", "no:cacheprovider")
    settings = ("-c", repository / "pyproject.toml", "--rootdir", folder)
    return run(sys.executable, "-m", "pytest", *plugins, *settings, file, cwd=repository)


BLOCKING = {
    "time.sleep": "import time\nasync def test_blocks():\n    time.sleep(0.001)\n",
    "swallowed": """
        import contextlib, time
        async def test_blocks():
            with contextlib.suppress(Exception):
                time.sleep(0.001)
        """,
    "socket": """
        import socket
        async def test_blocks():
            listening = socket.create_server(("127.0.0.1", 0))
            with listening, socket.socket() as asking:
                asking.connect(listening.getsockname())
        """,
    "file read by our code": """
        import pathlib, skrutinium_server
        async def test_blocks():
            place = pathlib.Path(skrutinium_server.__file__).with_name("made.py")
            exec(compile("pathlib.Path(__import__('os').devnull).read_bytes()", place, "exec"), {"pathlib": pathlib})
        """,
    "in a loop of its own": """
        import asyncio, time
        async def blocks():
            time.sleep(0.001)
        def test_blocks():
            asyncio.run(blocks())
        """,
}


@pytest.mark.parametrize("source", BLOCKING.values(), ids=BLOCKING)
def test_guard_fails_a_test_that_blocks_the_loop(source: str, tmp_path: Path, repository: Path) -> None:
    """A test that blocks its event loop fails and is told by which call."""
    outcome = pytest_on(source, tmp_path, repository)
    assert outcome.returncode == pytest.ExitCode.TESTS_FAILED, outcome.stdout + outcome.stderr
    assert "the event loop was blocked by" in outcome.stdout or "Blocking call to" in outcome.stdout


def test_guard_lets_a_test_pass_that_waits_well(tmp_path: Path, repository: Path) -> None:
    """Waiting in the loop's own way or in a thread, and a marked test that blocks, all pass."""
    source = """
        import asyncio, time
        import pytest

        async def test_waits():
            await asyncio.sleep(0.001)
            await asyncio.to_thread(time.sleep, 0.001)

        @pytest.mark.blocking("to see the mark work")
        async def test_marked():
            time.sleep(0.001)

        def test_without_loop():
            time.sleep(0.001)
        """
    outcome = pytest_on(source, tmp_path, repository)
    assert outcome.returncode == pytest.ExitCode.OK, outcome.stdout + outcome.stderr
    assert "3 passed" in outcome.stdout


def test_warnings_are_errors(tmp_path: Path, repository: Path) -> None:
    """A test that causes a warning fails."""
    outcome = pytest_on(
        "import warnings\ndef test_warns():\n    warnings.warn('old')\n", tmp_path, repository
    )
    assert outcome.returncode == pytest.ExitCode.TESTS_FAILED, outcome.stdout


def modules(repository: Path) -> list[str]:
    """The names of all modules of both packages, from their files."""
    names = []
    for package, folder in PACKAGES.items():
        root = repository / folder
        for file in sorted((root / package).rglob("*.py")):
            parts = file.relative_to(root).with_suffix("").parts
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


# Loads the named modules one after the other, and notes which module imported which while it was being loaded. Where no module
# needs, by any way round, one that needs it, the order in which they are loaded is nothing to any of them.
ALONE = """
import builtins, graphlib, importlib, importlib.util, sys
packages, names, needs = sys.argv[1].split(","), sys.argv[2:], {}
real = builtins.__import__

def loading(name):
    return name.partition(".")[0] in packages and getattr(sys.modules[name].__spec__, "_initializing", False)

def noting(name, globals=None, locals=None, fromlist=(), level=0):
    found = real(name, globals, locals, fromlist, level)
    importer = (globals or {}).get("__name__", "")
    if importer in sys.modules and loading(importer):
        whole = importlib.util.resolve_name("." * level + name, globals["__package__"])
        parts = {part: f"{whole}.{part}" for part in fromlist or ()}
        if whole.partition(".")[0] in packages:
            of = needs.setdefault(importer, set())
            of |= {part for part in parts.values() if part in sys.modules}
            if not parts or not of.issuperset(parts.values()):
                of.add(whole)
    return found

builtins.__import__ = noting
for name in names:
    importlib.import_module(name)
try:
    print(len([*graphlib.TopologicalSorter(needs).static_order()]))
except graphlib.CycleError as error:
    sys.exit(" needs ".join(reversed(error.args[1])))
"""


def test_every_module_imports_alone(repository: Path) -> None:
    """No module needs another one to be imported before it, and none warns."""
    names = [name for name in modules(repository) if not name.endswith(".__main__")]
    outcome = run(sys.executable, "-W", "error", "-c", ALONE, ",".join(PACKAGES), *names, cwd=repository)
    assert outcome.returncode == 0, outcome.stderr
    assert int(outcome.stdout) > len(names) // 2


def test_modules_that_need_each_other_are_found(tmp_path: Path) -> None:
    """Two modules that import each other are named, although one order of importing them works."""
    house = tmp_path / "house"
    house.mkdir()
    (house / "__init__.py").write_text("from house.door import OPEN\n")
    (house / "door.py").write_text("import house.wall\nOPEN = 1\n")
    (house / "wall.py").write_text("import house.door\n")
    outcome = run(sys.executable, "-c", ALONE, "house", "house", cwd=tmp_path)
    assert outcome.returncode == 1
    assert (
        "house.door needs house.wall needs house.door" in outcome.stderr
        or "house.wall needs house.door needs house.wall" in outcome.stderr
    )


def test_every_folder_is_a_package(repository: Path) -> None:
    """Every folder with modules has its __init__.py, without which import-linter does not see it."""
    lacking = {
        str(file.parent.relative_to(repository))
        for package, folder in PACKAGES.items()
        for file in (repository / folder / package).rglob("*.py")
        if not (file.parent / "__init__.py").exists()
    }
    assert lacking == set()


def test_layers_name_every_stage(repository: Path) -> None:
    """A stage stands in brackets in the layers contract only as long as it does not exist."""
    settings = tomllib.loads((repository / "pyproject.toml").read_text())
    layers = next(c for c in settings["tool"]["importlinter"]["contracts"] if c["type"] == "layers")["layers"]
    named = [name.strip() for layer in layers for name in layer.split("|")]
    package = repository / "server" / "skrutinium_server"
    optional = {name.strip("()") for name in named if name.startswith("(")}
    there = {name for name in optional if (package / name).is_dir() or (package / f"{name}.py").exists()}
    assert there == set()


def test_every_test_says_what_it_expects(repository: Path) -> None:
    """Every test function has a docstring that states the expected behaviour."""
    silent = [
        f"{file.relative_to(repository)}:{node.lineno} {node.name}"
        for file in sorted((repository / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The python of an environment that has both wheels and, of the checkout, only what other people made."""
    folder = tmp_path_factory.mktemp("installed")
    for source in PACKAGES.values():
        built = run(
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--outdir",
            folder / "dist",
            source,
            cwd=repository,
        )
        assert built.returncode == 0, built.stdout + built.stderr
    wheels = sorted((folder / "dist").glob("*.whl"))
    assert len(wheels) == len(PACKAGES)
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    quiet = ("--disable-pip-version-check", "--quiet", "--no-index", "--no-deps")
    pip = run(sys.executable, "-m", "pip", "--python", python, "install", *quiet, *wheels, cwd=folder)
    assert pip.returncode == 0, pip.stderr
    # Paths of a .pth file are searched, but .pth files in them, those of the editable installs, are not read.
    theirs = next(path for path in sys.path if path.endswith("site-packages"))
    ours = next((folder / "venv" / "lib").glob("python*/site-packages"))
    (ours / "theirs.pth").write_text(f"{theirs}\n")
    return python


READ = """
import importlib.resources, sys
package, name = sys.argv[1:]
print(importlib.resources.files(package) / "_contract" / name)
"""

COMPILE = """
import importlib.resources, sys
from lxml import etree
def schemas(folder):
    for item in folder.iterdir():
        if item.is_dir():
            yield from schemas(item)
        elif item.name.endswith(".xsd"):
            yield item
found = list(schemas(importlib.resources.files(sys.argv[1]) / "_contract" / "xsd"))
parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
for schema in found:
    etree.XMLSchema(etree.fromstring(schema.read_bytes(), parser))
print(len(found))
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_carries_the_contract(package: str, installed: Path, repository: Path) -> None:
    """From the wheel, the schemas, codebooks and samples are real files, equal to the checkout's, and schemas compile."""
    for name in CONTRACT:
        outcome = run(installed, "-I", "-c", READ, package, name, cwd=installed.parent)
        assert outcome.returncode == 0, outcome.stderr
        folder = Path(outcome.stdout.strip())
        assert folder.is_relative_to(installed.parents[1])
        assert not any(path.is_symlink() for path in [folder, *folder.rglob("*")])
        assert files_below(folder) == files_below(repository / name)
    compiled = run(installed, "-I", "-c", COMPILE, package, cwd=installed.parent)
    assert compiled.returncode == 0, compiled.stderr
    assert int(compiled.stdout) == len(list((repository / "xsd").rglob("*.xsd"))) > 0


@pytest.mark.parametrize("program", ["skrutinium-server", "skrutinium"])
def test_wheel_brings_its_program(program: str, installed: Path) -> None:
    """The program of each wheel starts from the installed environment and explains itself."""
    outcome = run(installed.with_name(program), "--help", cwd=installed.parent)
    assert outcome.returncode == 0, outcome.stderr
    assert program in outcome.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_says_that_it_is_typed(package: str, installed: Path) -> None:
    """The wheel carries the mark that lets type checkers use its annotations."""
    code = f"import importlib.resources as r; print((r.files({package!r}) / 'py.typed').is_file())"
    assert run(installed, "-I", "-c", code, cwd=installed.parent).stdout.strip() == "True"


def test_no_package_index_is_named(repository: Path) -> None:
    """The pinned requirements name no index, no address and no path: only names, versions and hashes."""
    for file in (repository / "requirements").iterdir():
        text = file.read_text()
        assert "://" not in text, file.name
        assert "--index-url" not in text, file.name
        assert "--find-links" not in text, file.name


def test_every_requirement_is_pinned_and_hashed(repository: Path) -> None:
    """Each line of a requirements file pins one version and is followed by at least one hash."""
    for file in (repository / "requirements").glob("*.txt"):
        lines = [line for line in file.read_text().splitlines() if line and not line.lstrip().startswith("#")]
        heads = [number for number, line in enumerate(lines) if not line.startswith(" ")]
        assert heads, file.name
        for number in heads:
            assert "==" in lines[number], lines[number]
            assert "--hash=sha256:" in lines[number + 1], lines[number]
