"""People and passphrases: who may act, and what is kept of a passphrase."""

import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.authority.errors import EventRefused, NotAuthenticated, PersonError
from skrutinium_server.authority.model import PersonRenewed
from skrutinium_server.authority.passphrases import LONGEST, SHORTEST, Argon2id, Scrypt, Verifier
from skrutinium_server.authority.persons import Authority
from tests.authority.made import CHEAP, authority

PHRASE = "čtyři slova stačí všem"


def test_passphrase_opens(tmp_path: Path) -> None:
    """Name and passphrase together are the person."""
    people = authority(tmp_path)
    people.add_person("j.novakova", "operator", PHRASE)
    assert people.authenticate("j.novakova", PHRASE) == "j.novakova"
    assert people.log_in("j.novakova", PHRASE).role == "operator"


@given(other=st.text(min_size=SHORTEST, max_size=40).filter(lambda text: text != PHRASE))
def test_other_passphrase_does_not(other: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No other text opens, and neither does a name that nobody has; both are told in the same words."""
    people = authority(tmp_path_factory.mktemp("site"))
    people.add_person("novak", "operator", PHRASE)
    with pytest.raises(NotAuthenticated) as wrong:
        people.authenticate("novak", other)
    with pytest.raises(NotAuthenticated) as unknown:
        people.authenticate("nobody", other)
    assert str(unknown.value) == str(wrong.value).replace("'novak'", "'nobody'")
    assert other not in str(wrong.value)


def test_same_letters_typed_otherwise_open(tmp_path: Path) -> None:
    """A letter with its accent beside it is the letter with its accent."""
    people = authority(tmp_path)
    people.add_person("novak", "operator", "kr\u00e1lov\u00e1 cesta")
    assert people.authenticate("novak", "kra\u0301lova\u0301 cesta") == "novak"


def test_passphrase_is_not_kept(tmp_path: Path) -> None:
    """No file holds the passphrase; the verifier is its owner's only and names its parameters and a salt of its own."""
    people = authority(tmp_path)
    people.add_person("novak", "operator", PHRASE)
    people.add_person("dvorak", "commissioner", PHRASE)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(PHRASE.encode() not in path.read_bytes() for path in files)
    kept = [path for path in files if path.parent.name == "persons"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    first, second = (msgspec.json.decode(path.read_bytes(), type=Verifier) for path in kept)
    assert first.salt != second.salt
    assert first.value != second.value
    assert first.method == CHEAP


def test_usual_cost_is_high() -> None:
    """A guess costs at least 64 MiB of memory unless a test says otherwise."""
    cost = Argon2id()
    assert cost.memory * 1024 >= 64 * 2**20
    assert cost.iterations >= 3


def test_argon2id_is_that_of_the_rfc() -> None:
    """The same passphrase, salt and cost give what the reference program gives."""
    value = Argon2id(iterations=2, lanes=1, memory=2**8).derive(b"password", b"somesalt")
    assert value.hex() == "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"


def older(site: Path) -> Authority:
    """People of a site as a version before this one kept them."""
    return Authority(site, who="test", method=Scrypt(cost=2))


def test_older_verifier_is_renewed_at_log_in(tmp_path: Path) -> None:
    """A passphrase kept by scrypt opens, and is kept by argon2id after the first log-in; the log says so once."""
    older(tmp_path).add_person("novak", "operator", PHRASE)
    file = tmp_path / "authority" / "persons" / "novak.json"
    assert b"scrypt" in file.read_bytes()
    people = authority(tmp_path)
    assert people.authenticate("novak", PHRASE) == "novak"
    assert b"scrypt" in file.read_bytes()
    person = people.log_in("novak", PHRASE)
    assert msgspec.json.decode(file.read_bytes(), type=Verifier).method == CHEAP
    assert people.log_in("novak", PHRASE) == person
    (renewed,) = [one for one in people.log.entries() if isinstance(one.event, PersonRenewed)]
    assert renewed.who == "novak"
    assert [one.name for one in file.parent.iterdir()] == ["novak.json"]
    with pytest.raises(NotAuthenticated):
        people.log_in("novak", PHRASE + "!")


@pytest.mark.parametrize("recorded", [False, True])
def test_kill_while_renewing_locks_nobody_out(tmp_path: Path, recorded: bool) -> None:
    """Killed before or after the renewal was recorded, the person still gets in, and the next log-in puts it right."""
    older(tmp_path).add_person("novak", "operator", PHRASE)
    file = tmp_path / "authority" / "persons" / "novak.json"
    before = file.read_bytes()
    people = authority(tmp_path)
    people.log_in("novak", PHRASE)
    after = file.read_bytes()
    (file.parent / "novak.json.next").write_bytes(after)
    file.write_bytes(before)
    if not recorded:  # as the log was before
        log = tmp_path / "authority" / "events.jsonl"
        log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
        (tmp_path / "authority" / "events.head").unlink()
    assert authority(tmp_path).authenticate("novak", PHRASE) == "novak"
    assert authority(tmp_path).log_in("novak", PHRASE).name == "novak"
    with pytest.raises(NotAuthenticated):
        authority(tmp_path).authenticate("novak", PHRASE + "!")
    authority(tmp_path).remove_person("novak")
    assert list(file.parent.iterdir()) == []


def test_verifier_without_or_with_two_methods_is_none() -> None:
    """A verifier that names no method, or both, is refused before it could open anything."""
    methods: list[dict[str, object]] = [{}, {"argon2id": {}, "scrypt": {}}]
    for told in methods:
        data = msgspec.json.encode({"name": "novak", "salt": b"0", "value": b"0", **told})
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(data, type=Verifier)


def test_removed_person_opens_nothing(tmp_path: Path) -> None:
    """Who was removed is unknown at once, and may be added anew with another passphrase."""
    people = authority(tmp_path)
    people.add_person("novak", "operator", PHRASE)
    people.remove_person("novak")
    with pytest.raises(NotAuthenticated):
        people.authenticate("novak", PHRASE)
    assert list((tmp_path / "authority" / "persons").iterdir()) == []
    people.add_person("novak", "commissioner", PHRASE + "!")
    assert people.authenticate("novak", PHRASE + "!") == "novak"
    with pytest.raises(NotAuthenticated):
        people.authenticate("novak", PHRASE)


def test_verifier_put_there_by_hand_is_noticed(tmp_path: Path) -> None:
    """The verifier of one person does not open another one's name, nor does one whose person no entry of the log tells of."""
    people = authority(tmp_path)
    people.add_person("novak", "operator", PHRASE)
    people.add_person("dvorak", "operator", "docela jiná slova")
    folder = tmp_path / "authority" / "persons"
    (folder / "dvorak.json").write_bytes((folder / "novak.json").read_bytes())
    with pytest.raises(PersonError, match="changed by hand"):
        people.authenticate("dvorak", PHRASE)
    (folder / "nobody.json").write_bytes((folder / "novak.json").read_bytes())
    with pytest.raises(NotAuthenticated):
        people.authenticate("nobody", PHRASE)


@pytest.mark.parametrize(
    ("name", "passphrase"),
    [("", PHRASE), ("../novak", PHRASE), ("a b", PHRASE), ("novak", "short"), ("novak", "x" * (LONGEST + 1))],
)
def test_bad_name_or_passphrase_is_refused(name: str, passphrase: str, tmp_path: Path) -> None:
    """A name that is no identifier and a passphrase that is too short or too long are refused, and nothing is written."""
    people = authority(tmp_path)
    with pytest.raises(PersonError):
        people.add_person(name, "operator", passphrase)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("again", ["novak", "Novak"])
def test_nobody_is_added_twice(tmp_path: Path, again: str) -> None:
    """A second person of the same name, however it is spelt, is refused, and the first one's passphrase stays."""
    people = authority(tmp_path)
    people.add_person("novak", "operator", PHRASE)
    with pytest.raises(EventRefused):
        people.add_person(again, "operator", "docela jiná slova")
    assert people.authenticate("novak", PHRASE) == "novak"
