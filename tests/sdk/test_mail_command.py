"""``skrutinium mail`` as a person or a program sees it: lines, files, exit codes."""

import asyncio
import json
import signal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from skrutinium.commands import main
from tests.sdk.mails import Box, files_of, forged, mail, message
from tests.sdk.store_builder import Night, fingerprint, make_night, sign
from tests.sdk.test_commands import run as run_apart
from tests.sdk.test_commands import started

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "crisis"


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """A night in ``store``."""
    made = make_night()
    made.write(tmp_path / "store")
    return made


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "mail")


class Run:
    """Runs the command in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        assert isinstance(ended.value.code, int)
        return ended.value.code, *self._capsys.readouterr()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


def test_each_release_once_in_order(tmp_path: Path, night: Night, box: Box, run: Run) -> None:
    """Each release is a line with what came of it; a second passage with the state file shows nothing and ends with 3."""
    for numbers in ([3, 4], [1, 2, 3], [2, 3, 4]):
        box.deliver(mail(tmp_path / "store", numbers))
    state = ("--state", str(tmp_path / "state.json"), "--fingerprint", fingerprint(night.key))

    code, out, err = run("mail", str(box.path), *state)
    again, nothing, _ = run("mail", box.place, *state)
    box.deliver(mail(tmp_path / "store", [4, 5]))
    later, more, _ = run("mail", box.place, *state)

    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert [line.partition("release ")[2][:1] for line in lines] == ["1", "2", "3", "4"]
    assert all("[REHEARSAL · MADE UP] Made-up election" in line for line in lines)
    assert "corrections/3.xml, event.xml of" in lines[2]
    assert (again, nothing) == (3, "")
    assert later == 0
    assert "release 5 (complete)" in more


async def test_gaps_and_late_ones_are_told(tmp_path: Path, night: Night, box: Box) -> None:
    """A gap is a line of its own, and what fills it later is called late, in the same passage."""
    box.deliver(mail(tmp_path / "store", [1]))
    box.deliver(mail(tmp_path / "store", [4]))
    process = await started(
        "mail", box.place, "--follow", "--every", "0.1", "--fingerprint", fingerprint(night.key)
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            said = [(await process.stdout.readline()).decode() for _ in range(3)]
            box.deliver(mail(tmp_path / "store", [2, 3]))
            said += [(await process.stdout.readline()).decode() for _ in range(2)]
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130
    finally:
        if process.returncode is None:
            process.kill()
    assert "release 1 " in said[0]
    assert "releases 2 to 3 have not come" in said[1]
    assert "release 4 " in said[2]
    assert said[3].startswith("late: ")
    assert "release 2 " in said[3]
    assert "release 3 " in said[4]


def test_json(tmp_path: Path, night: Night, box: Box, run: Run) -> None:
    """One object a line, with what came, what did not, and what is missing before it; whole numbers only."""
    box.deliver(message(files_of(tmp_path / "store", [2]), id="<two@organiser.example>").as_bytes())
    box.deliver(mail(tmp_path / "store", [5]))

    code, out, _ = run("mail", box.place, "--json", "--fingerprint", fingerprint(night.key))

    two, five = map(json.loads, out.splitlines())
    assert code == 0
    assert (two["release"], two["documents"], two["missing_before"]) == (2, ["event.xml"], None)
    assert two["mail"] == "<two@organiser.example>"
    assert "batch/2.xml" in two["not_delivered"]
    assert (five["release"], five["missing_before"], five["late"]) == (5, [3, 4], False)
    assert five["phase"] == "rehearsal"
    assert "." not in json.dumps(five["kinds"][0]["figures"])


def test_files_are_saved(tmp_path: Path, night: Night, box: Box, run: Run) -> None:
    """The newest version of each document lies on top, every release in its folder, and what a mail forged lies nowhere."""
    box.deliver(mail(tmp_path / "store", [1, 2]))
    box.deliver(mail(tmp_path / "store", [3]))
    box.deliver(forged(night, 900, Ed25519PrivateKey.generate(), tmp_path / "store"))
    folder = tmp_path / "out"

    code, _, _ = run("mail", box.place, "--save", str(folder), "--fingerprint", fingerprint(night.key))

    files = files_of(tmp_path / "store", [1, 2, 3])
    saved = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert code == 0
    assert saved["event.xml"] == files["release/000000003/event.xml"]
    assert saved.pop("corrections/3.xml") == files["release/000000003/corrections/3.xml"]
    del saved["event.xml"]
    assert saved == {name: data for name, data in files.items() if not name.startswith("keys/")}


def test_exit_codes(tmp_path: Path, night: Night, box: Box, run: Run) -> None:
    """No place is 25, no mail of results 12, nothing by a trusted key 17, another phase 21, a broken chain 18."""
    pin = ("--fingerprint", fingerprint(night.key))
    assert run("mail", str(tmp_path / "none"))[0] == 25
    assert run("mail", box.place, *pin)[0] == 12
    box.deliver(forged(night, 900, Ed25519PrivateKey.generate(), tmp_path / "store"))
    code, _, err = run("mail", box.place, *pin)
    assert code == 17
    assert "none of them by a key that is trusted" in err
    box.deliver(mail(tmp_path / "store", [1, 2]))
    assert run("mail", box.place, "--phase", "live", *pin)[0] == 21
    assert run("mail", box.place, *pin)[0] == 0
    manifest = files_of(tmp_path / "store", [3])["manifest/000000003.xml"]
    broken = manifest.replace(b'previous="', b'previous="0')[: len(manifest) + 1]
    at = broken.index(b'previous="') + len(b'previous="')
    broken = broken[: at + 64] + broken[at + 65 :]
    box.deliver(message({"manifest.xml": broken, "manifest.xml.sig": sign(night.key, broken)}).as_bytes())
    code, _, err = run("mail", box.place, *pin)
    assert code == 18
    assert "does not follow" in err


def test_what_is_set_aside_is_told(tmp_path: Path, night: Night, box: Box, run: Run) -> None:
    """Damaged attachments and wrong signatures are named on the standard error, and the rest is shown."""
    files = files_of(tmp_path / "store", [1])
    box.deliver(message(files).as_bytes())
    wrong = {
        **files_of(tmp_path / "store", [2]),
        "manifest/000000002.xml.sig": files["manifest/000000001.xml.sig"],
    }
    box.deliver(message(wrong, id="<wrong@organiser.example>").as_bytes())
    cut = message({}, zipped=False, id="<cut@organiser.example>")
    cut.add_attachment(
        b"PK\x03\x04 cut off", maintype="application", subtype="zip", filename="\x1b[2Jcut.zip"
    )
    box.deliver(cut.as_bytes())

    code, out, err = run("mail", box.place, "--fingerprint", fingerprint(night.key))

    assert code == 0
    assert len(out.splitlines()) == 1
    assert "<wrong@organiser.example>: the signature of a manifest does not hold" in err
    assert "<cut@organiser.example>" in err
    assert "no whole zip" in err
    assert "\x1b" not in err


async def test_samples_are_shown() -> None:
    """The sample crisis mails of the repository show their ten releases; without a fingerprint that is said."""
    code, out, err = await run_apart("mail", str(SAMPLES))
    assert code == 0
    assert len(out.splitlines()) == 10
    assert "trusted because it was met first" in err


def test_seconds_are_examined(box: Box, run: Run) -> None:
    """A pause that makes no sense is refused as an option is."""
    for seconds in ("0", "nan", "-1", "soon"):
        code, _, err = run("mail", box.place, "--follow", f"--every={seconds}")
        assert code == 2
        assert "--every" in err
