"""Registrations: what is taken, what is refused, and what holds whatever is done in whatever order."""

import datetime
import itertools
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from skrutinium_server.authority.access_list import export, granted, read_list, rendered
from skrutinium_server.authority.errors import AuthorityError, EventRefused, SubscriberError
from skrutinium_server.authority.examining import Application, is_email, is_telephone
from skrutinium_server.authority.importing import moment, read_rows, write_rows
from skrutinium_server.authority.log import EventLog
from skrutinium_server.authority.model import Approved, State
from skrutinium_server.authority.ranges import networks, overlap
from skrutinium_server.authority.settings import SubscriberSettings
from skrutinium_server.authority.state import after, fold, stand
from skrutinium_server.feed.access import load_access
from tests.authority.made import EXAMPLES, START, application, registry

LATE = msgspec.structs.replace(EXAMPLES, closing={"kv2030": START - datetime.timedelta(days=1)})


def refused(site: Path, bad: Application, settings: SubscriberSettings = EXAMPLES) -> tuple[str, ...]:
    """The faults that a request is refused for; nothing is recorded."""
    registrations = registry(site, settings)
    before = registrations.authority.log.entries()
    with pytest.raises(SubscriberError) as refusal:
        registrations.request(bad)
    assert registrations.authority.log.entries() == before
    return refusal.value.faults


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    """A request with five faults is refused with all of them."""
    bad = Application("radio example", "", "radio", "222", ("10.0.0.0/8", "x"), (), ("kv 2030",), START)
    assert len(refused(tmp_path, bad)) == 8


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (application(live=("192.0.2.1", "192.0.2.2", "192.0.2.3")), "3 live ranges, at most 2"),
        (application(test=("192.0.2.101", "192.0.2.102")), "2 test ranges, at most 1"),
        (application(live=()), "no range"),
        (application(test=("192.0.2.3",)), "each address is named once"),
        (application(live=("192.0.2.1", "192.0.2.1/32")), "each address is named once"),
        (application(live=("192.0.2.1", "::ffff:192.0.2.1")), "each address is named once"),
        (application(id="this-machine"), "server's own"),
        (application(name="a\nb"), "one line"),
        (application(name="x" * 201), "at most 200"),
        (application(until=START), "passed"),
    ],
)
def test_bad_request_is_refused_with_its_reason(bad: Application, told: str, tmp_path: Path) -> None:
    """Each fault is told by its own words."""
    (fault,) = refused(tmp_path, bad)
    assert told in fault


def test_range_of_another_one_is_refused(tmp_path: Path) -> None:
    """An address has one subscriber, pending or approved; a declined or revoked one gives it back."""
    registrations = registry(tmp_path)
    registrations.request(application("first", ("192.0.2.0/28",)))
    (fault,) = refused(tmp_path, application("second", ("192.0.2.8",)))
    assert "192.0.2.8 overlaps 192.0.2.0/28 of first (Newsroom first, pending)" in fault
    registrations.approve("first")
    assert "approved" in refused(tmp_path, application("second", ("::ffff:192.0.2.8",)))[0]
    registrations.revoke("first", "no longer a medium")
    registrations.request(application("second", ("192.0.2.8",)))
    registrations.decline("second", "no medium")
    registrations.request(application("third", ("192.0.2.8",)))


def test_one_organisation_registers_once(tmp_path: Path) -> None:
    """A second registration under the same name would have more ranges than one has."""
    registry(tmp_path).request(application("first", name="Rádio Zlín"))
    (fault,) = refused(tmp_path, application("second", ("192.0.2.99",), name="RÁDIO  zlín"))
    assert "registered already, as first" in fault


def test_request_after_closing_needs_a_reason(tmp_path: Path) -> None:
    """After the closing date of its event a request is refused, unless a reason is recorded with it."""
    registrations = registry(tmp_path, LATE)
    with pytest.raises(SubscriberError) as refusal:
        registrations.request(application(events=("kv2030",)))
    assert refusal.value.code == "subscriber-late"
    registrations.request(application("other", ("192.0.2.99",), events=("se2032",)))
    registrations.request(application(events=("kv2030",)), late="their letter was delayed")
    assert registrations.authority.state().subscribers["radio-example"].late == "their letter was delayed"


def test_change_of_ranges_after_closing_needs_a_reason(tmp_path: Path) -> None:
    """A telephone number changes at any time; ranges do not."""
    registry(tmp_path).request(application(events=("kv2030",)))
    registrations = registry(tmp_path, LATE)
    known = application(events=("kv2030",))
    registrations.change(msgspec.structs.replace(known, telephone="+420 222 111 444"), "they moved")
    with pytest.raises(SubscriberError, match="Requests were taken until"):
        registrations.change(msgspec.structs.replace(known, live=("192.0.2.99",)), "they moved")


def test_decisions_follow_from_each_other(tmp_path: Path) -> None:
    """Nothing is approved twice, revoked before it is approved, changed when closed, or decided when unknown."""
    registrations = registry(tmp_path)
    registrations.request(application())
    with pytest.raises(EventRefused, match="decline"):
        registrations.revoke("radio-example", "why")
    with pytest.raises(EventRefused, match="known: radio-example"):
        registrations.approve("nobody")
    with pytest.raises(EventRefused, match="Nothing"):
        registrations.change(application(), "why")
    registrations.approve("radio-example")
    with pytest.raises(EventRefused, match="approved already"):
        registrations.approve("radio-example")
    with pytest.raises(SubscriberError, match="reason"):
        registrations.revoke("radio-example", " ")
    registrations.revoke("radio-example", "why")
    with pytest.raises(EventRefused, match="revoked"):
        registrations.change(application(live=("192.0.2.99",)), "why")


def test_narrower_limit_holds_at_approval(tmp_path: Path) -> None:
    """What was asked for under wider limits is looked at again when it is decided."""
    registry(tmp_path).request(application(live=("192.0.2.0/24",)))
    with pytest.raises(SubscriberError, match="too wide"):
        registry(tmp_path, msgspec.structs.replace(EXAMPLES, widest_v4=28)).approve("radio-example")


def test_limits_are_settings(tmp_path: Path) -> None:
    """With five and five as the office later allowed, ten addresses are taken."""
    wide = msgspec.structs.replace(EXAMPLES, live_ranges=5, test_ranges=5)
    live = tuple(f"192.0.2.{number}" for number in range(5))
    test = tuple(f"192.0.2.{number}" for number in range(5, 10))
    registry(tmp_path, wide).request(application(live=live, test=test))
    assert len(refused(tmp_path, application("other", (*live, "192.0.2.77")), wide)) == 6


HEADER = "id,name,email,telephone,live,test,events,until\n"
GOOD = "one,Newsroom One,a@one.example,+420 222 111 333,192.0.2.0/28 2001:db8::/48,192.0.2.99,kv2030,2030-12-31\n"


def test_file_is_taken_whole(tmp_path: Path) -> None:
    """All rows of a file are one entry, pending; a file of a spreadsheet (mark, semicolons) says the same."""
    registrations = registry(tmp_path)
    data = (HEADER + GOOD + "\ntwo,Druhá,b@two.example,+420222111334,192.0.2.64/28,,,\n").encode()
    registrations.request_all("all.csv", data, read_rows("all.csv", data))
    subscribers = registrations.authority.state().subscribers
    assert {one.id: stand(one.standing) for one in subscribers.values()} == {
        "one": "pending",
        "two": "pending",
    }
    assert subscribers["one"].registration.until == datetime.datetime(2031, 1, 1, tzinfo=datetime.UTC)
    other = b"\xef\xbb\xbf" + data.decode().replace(",", ";").encode()
    assert read_rows("x", other) == read_rows("x", data)
    again = write_rows(registrations.authority.state()).encode()
    assert [row.application.id for row in read_rows("x", again)] == ["one", "two"]


def test_one_bad_row_refuses_the_file(tmp_path: Path) -> None:
    """No row is taken when one is bad; each bad row is told by its line, also what two rows of the file do to each other."""
    registrations = registry(tmp_path)
    data = (
        HEADER + GOOD + "two,Two,b@two.example,+420222111334,192.0.2.8,,,\n"
        "one,Three,c@three.example,+420222111335,192.0.2.77,,,\nfour,Four,nobody,+420222111336,x,,,\n"
    ).encode()
    with pytest.raises(SubscriberError) as refusal:
        registrations.request_all("all.csv", data, read_rows("all.csv", data))
    assert [fault.partition(":")[0] for fault in refusal.value.faults] == [
        "line 3",
        "line 4",
        "line 5",
        "line 5",
    ]
    assert registrations.authority.log.entries() == ()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "column id is missing"),
        (b"id,name\n", "column email is missing"),
        ((HEADER.strip() + ",colour\n").encode(), "'colour' is not known"),
        ((HEADER.strip() + ",id\n").encode(), "id stands there twice"),
        ((HEADER + "one,two\n").encode(), "line 2: 2 fields, expected 8"),
        ((HEADER + GOOD.replace("2030-12-31", "31.12.2030")).encode(), "line 2: '31.12.2030' is no time"),
        ((HEADER + GOOD.replace("Newsroom", "R\xe1dio")).encode("latin-1"), "line 2: not UTF-8"),
        ((HEADER + '"one').encode(), "line 2"),
    ],
)
def test_unreadable_file_is_refused_by_line(data: bytes, told: str) -> None:
    """What cannot be read is told by line, with what was expected."""
    with pytest.raises(SubscriberError) as refusal:
        read_rows("all.csv", data)
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("results@radio.example", True),
        ("a.b+c@sub.radio.example", True),
        ("vysledky@rádio.example", True),
        ("radio.example", False),
        ("@radio.example", False),
        ("a@radio", False),
        ("a@@radio.example", False),
        ("a b@radio.example", False),
        (".a@radio.example", False),
        ("a..b@radio.example", False),
        ("a@radio..example", False),
        ("a@-radio.example", False),
        ("a@192.0.2.1", False),
        ("a@radio.example\r\nBcc: all@radio.example", False),
        ("a@radio.example, b@radio.example", False),
        ("a" * 65 + "@radio.example", False),
    ],
)
def test_e_mail_addresses(text: str, right: bool) -> None:
    """One plain address is taken; nothing that would be another line or another recipient is."""
    assert is_email(text) is right


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("+420 222 111 333", True),
        ("+48 (22) 695-25-44", True),
        ("222 111 333", False),
        ("+420 222", False),
        ("+1234567890123456", False),
        ("+420 222 111 ext", False),
        ("", False),
    ],
)
def test_telephone_numbers(text: str, right: bool) -> None:
    """The international form with 8 to 15 digits is taken."""
    assert is_telephone(text) is right


IDS = st.sampled_from([f"s{number}" for number in range(6)])
RANGES = st.sampled_from(
    [
        "192.0.2.0/28",
        "192.0.2.0/29",
        "192.0.2.3",
        "192.0.2.64/26",
        "192.0.2.65",
        "2001:db8::/48",
        "2001:db8::7",
        "10.0.0.0/8",
    ]
)
MANY = st.lists(RANGES, max_size=3).map(tuple)


class Registrations(RuleBasedStateMachine):
    """Any commands in any order; what is refused changes nothing."""

    @initialize(folder=st.builds(object))
    def start(self, folder: object) -> None:
        import tempfile

        self.temporary = tempfile.TemporaryDirectory()
        self.site = Path(self.temporary.name)
        self.registry = registry(self.site)
        self.stepwise = State()
        self.seen = 0
        self.exported = State()

    def teardown(self) -> None:
        if hasattr(self, "temporary"):
            self.temporary.cleanup()

    def attempt(self, name: str, *arguments: object) -> None:
        before = (self.site / "authority" / "events.jsonl").read_bytes() if self.seen else b""
        try:
            getattr(self.registry, name)(*arguments)
        except AuthorityError:
            path = self.site / "authority" / "events.jsonl"
            assert (path.read_bytes() if path.exists() else b"") == before
            return
        entry = self.registry.authority.log.entries()[-1]
        self.stepwise, self.seen = after(self.stepwise, entry), self.seen + 1

    @rule(id=IDS, live=MANY, test=MANY)
    def request(self, id: str, live: tuple[str, ...], test: tuple[str, ...]) -> None:
        self.attempt("request", application(id, live, test))

    @rule(id=IDS, live=MANY, test=MANY)
    def change(self, id: str, live: tuple[str, ...], test: tuple[str, ...]) -> None:
        self.attempt("change", application(id, live, test), "why")

    @rule(id=IDS)
    def approve(self, id: str) -> None:
        self.attempt("approve", id)

    @rule(id=IDS)
    def revoke(self, id: str) -> None:
        self.attempt("revoke", id, "why")

    @rule(id=IDS)
    def decline(self, id: str) -> None:
        self.attempt("decline", id, "why")

    @precondition(lambda self: self.seen)
    @rule()
    def write_list(self) -> None:
        """The list is what is approved, as the feed reads it, and its number never goes back."""
        path = self.site / "access.toml"
        before = read_list(path.read_bytes())[0] if path.exists() else 0
        done = export(path, self.registry.authority, EXAMPLES, self.exported)
        self.exported = self.registry.authority.state()
        number, entries = read_list(path.read_bytes())
        assert entries == granted(self.exported, EXAMPLES)
        assert number == done.number
        assert number > before if done.written else number == before
        assert done.kept is None
        feed = load_access(path)
        for entry in entries:
            for kind in ("live", "test"):
                for network in networks(getattr(entry, kind)):
                    found = feed.find(str(network.broadcast_address))
                    assert found is not None
                    assert (found.subscriber, found.kind, found.network) == (entry.id, kind, network)

    @invariant()
    def laws_hold(self) -> None:
        """No two subscribers share an address, nobody has more than the limits, and the state is the fold of the log."""
        if not hasattr(self, "site"):
            return
        entries = EventLog(self.site / "authority").entries()
        state = fold(entries)
        assert state == self.stepwise
        holding = [one for one in state.subscribers.values() if one.holds_ranges]
        assert {one.id for one in holding} >= {
            one.id for one in state.subscribers.values() if isinstance(one.standing, Approved)
        }
        taken = [
            network
            for one in holding
            for network in networks((*one.registration.live, *one.registration.test))
        ]
        assert not any(overlap(first, second) for first, second in itertools.combinations(taken, 2))
        for one in holding:
            assert len(one.registration.live) <= EXAMPLES.live_ranges
            assert len(one.registration.test) <= EXAMPLES.test_ranges


TestRegistrations = Registrations.TestCase
TestRegistrations.settings = hypothesis_settings(max_examples=25, stateful_step_count=25, deadline=None)


def test_list_made_by_hand_is_kept(tmp_path: Path) -> None:
    """What somebody wrote into the list by hand goes, but into a copy; a broken file too."""
    registrations = registry(tmp_path)
    registrations.request(application())
    registrations.approve("radio-example")
    path = tmp_path / "access.toml"
    for data in (b"number = 9\n[[subscriber]]\nid = 'mine'\nlive = ['192.0.2.200']\n", b"not TOML ["):
        path.write_bytes(data)
        done = export(path, registrations.authority, EXAMPLES)
        assert done.kept is not None
        assert done.kept.read_bytes() == data
        assert [entry.id for entry in read_list(path.read_bytes())[1]] == ["this-machine", "radio-example"]
    assert not export(path, registrations.authority, EXAMPLES).written


def test_names_with_odd_characters_round_trip(tmp_path: Path) -> None:
    """Quotes, backslashes and letters of every kind read back as they were recorded."""
    name = 'Rádio "Příliš" \\ 𝄞 [[subscriber]]'
    registrations = registry(tmp_path)
    registrations.request(application(name=name, events=("kv2030",)))
    registrations.approve("radio-example")
    data = rendered(3, granted(registrations.authority.state(), EXAMPLES))
    number, (_, entry) = read_list(data)
    assert (number, entry.name, entry.events) == (3, name, ("kv2030",))
    (tmp_path / "access.toml").write_bytes(data)
    grant = load_access(tmp_path / "access.toml").find("192.0.2.3")
    assert grant is not None
    assert grant.name == name


def test_end_within_a_second_makes_no_new_versions(tmp_path: Path) -> None:
    """An end that is told with parts of a second is recorded as the list can hold it, so that the list agrees with what is recorded."""
    registrations = registry(tmp_path)
    until = moment("2030-12-31T18:00:00.75+01:00")
    assert until == datetime.datetime(2030, 12, 31, 17, 0, tzinfo=datetime.UTC)
    registrations.request(application(until=until))
    registrations.approve("radio-example")
    path = tmp_path / "access.toml"
    assert export(path, registrations.authority, EXAMPLES).written
    again = export(path, registrations.authority, EXAMPLES)
    assert (again.written, again.kept) == (False, None)
