"""``skrutinium schema``: the schemas of the package, and verdicts on files."""

import gzip
import json
from pathlib import Path

import pytest

from skrutinium.documents.schemas import find_schema, held_schemas, judge
from skrutinium.errors import ChoiceNeeded
from tests.sdk.store_builder import EVENT, RUN, SERIES, make_night
from tests.sdk.test_commands import run

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "samples").glob("*/*/*valid/**/*.xml"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_are_judged_as_they_are_named(path: Path) -> None:
    """Without being told which schema is meant, valid samples are valid and invalid ones are not."""
    verdict = judge(path.read_bytes(), str(path))

    assert verdict.valid is ("/valid/" in path.as_posix())
    assert verdict.name is not None or not verdict.valid


def test_schemas_are_those_of_the_repository() -> None:
    """Every schema is there, and found by the end of its name."""
    assert [one.name for one in held_schemas()] == sorted(
        path.relative_to(ROOT / "xsd").as_posix() for path in (ROOT / "xsd").rglob("*.xsd")
    )
    assert find_schema("skrutinium").name == "skrutinium/1.0/skrutinium.xsd"
    with pytest.raises(ChoiceNeeded, match=r"no schema is named 'nothing'"):
        find_schema("nothing")


async def test_schema_is_listed_printed_and_saved(tmp_path: Path) -> None:
    """The list names all, NAME prints the very bytes, ``--save`` writes them."""
    code, listed, _ = await run("schema")
    printed = await run("schema", "registers.xsd")
    saved = await run("schema", "--save", str(tmp_path / "new"), "--json")

    assert (code, printed[0], saved[0]) == (0, 0, 0)
    assert "skrutinium/1.0/registers.xsd" in listed
    assert printed[1] == (ROOT / "xsd/skrutinium/1.0/registers.xsd").read_text("utf-8")
    assert len(json.loads(saved[1])["written"]) == len(held_schemas())
    assert (tmp_path / "new/volby/1/kv_vysledky.xsd").read_bytes() == (
        ROOT / "xsd/volby/1/kv_vysledky.xsd"
    ).read_bytes()


async def test_files_are_validated_with_reasons(tmp_path: Path) -> None:
    """A wrong file is named with line and reason, right ones are said to be valid; the exit code is 15."""
    make_night().write(tmp_path / "store")
    manifest = (tmp_path / "store/event" / EVENT / RUN / SERIES / "manifest/000000001.xml").read_bytes()
    (tmp_path / "wrong.xml").write_bytes(manifest.replace(b' reported="', b'\nreported="x', 1))
    (tmp_path / "packed.xml.gz").write_bytes(gzip.compress(manifest))
    files = [str(tmp_path / name) for name in ("wrong.xml", "packed.xml.gz", "store/state.xml")]

    code, out, _ = await run("schema", "--validate", *files)
    json_code, json_out, _ = await run("schema", "--validate", *files, "--json")

    assert (code, json_code) == (15, 15)
    assert f"{files[0]}: not valid (skrutinium/1.0/skrutinium.xsd)\n  line 3: " in out
    assert f"{files[1]}: valid" in out
    assert [json.loads(line)["valid"] for line in json_out.splitlines()] == [False, True, True]


async def test_what_is_no_xml_is_told(tmp_path: Path) -> None:
    """Garbage is not valid, a DOCTYPE is refused, and a file that is not there is an error of its own."""
    (tmp_path / "garbage").write_bytes(b"\x00\x01")
    (tmp_path / "doctype").write_bytes(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')

    garbage = await run("schema", "--validate", str(tmp_path / "garbage"))
    doctype = await run("schema", "skrutinium.xsd", "--validate", str(tmp_path / "doctype"))
    missing = await run("schema", "--validate", str(tmp_path / "missing"), "--json")

    assert (garbage[0], doctype[0], missing[0]) == (15, 15, 25)
    assert "DOCTYPE, which is never accepted" in doctype[1]
    assert json.loads(missing[2])["error"] == "no-such-place"
