"""The door: deny by default, and say why."""

import datetime
from typing import Any

import msgspec
import pytest

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.model import Candidate, UnnumberedList
from skrutinium_server.intake.canonical import in_order
from skrutinium_server.intake.door import admit, check_event
from skrutinium_server.intake.errors import RefusedError, RuleError
from skrutinium_server.intake.model import Admission, ListVotes
from tests.intake.made import INDEX, LAW, ORIGIN, WHOLE, read

FIRST, SECOND = read(WHOLE).records
chain_bytes = msgspec.json.Encoder(order="deterministic").encode
NOON = datetime.datetime(2030, 10, 5, 12)  # noqa: DTZ001 - a time without zone is what is refused


def bring(index: DefinitionIndex = INDEX, *, resend: bool = False, **changes: Any) -> Admission:
    """The first record with other facts, at the door."""
    return admit(
        msgspec.structs.replace(FIRST.protocol, **changes),
        FIRST.taken_over,
        ORIGIN,
        index,
        LAW,
        resend=resend,
    )


def test_good_protocol_is_admitted() -> None:
    """What was read comes through unchanged, with rules counted that could not be applied."""
    admission = bring()
    assert (admission.protocol, admission.taken_over, admission.origin) == (
        FIRST.protocol,
        FIRST.taken_over,
        ORIGIN,
    )
    assert (admission.findings, admission.skipped_rules, admission.reason, admission.authority) == (
        (),
        2,
        None,
        None,
    )


def test_resend_has_reason_and_authority() -> None:
    """A record marked as repeated, or brought as a re-send, names the source as its authority."""
    marked = admit(SECOND.protocol, SECOND.taken_over, ORIGIN, INDEX, LAW)
    for admission in (marked, bring(resend=True)):
        assert (admission.reason, admission.authority) == ("source-resend", "volby.cz")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"precinct": "500011-2"}, "unknown-precinct"),
        ({"contest": "500013"}, "unknown-contest"),
        ({"contest": "500012"}, "unknown-poll"),
        ({"district": "500011.2"}, "district"),
        ({"established": NOON}, "time"),
        (
            {
                "established": FIRST.protocol.established.astimezone(
                    datetime.timezone(datetime.timedelta(hours=2))
                )
            },
            "time",
        ),
        ({"established": datetime.datetime.max.replace(tzinfo=datetime.UTC)}, "time"),
        ({"established": datetime.datetime.min.replace(tzinfo=datetime.UTC)}, "time"),
        ({"figures": {"eligible": 100, "invalid": 1}}, "unknown-figure"),
        ({"figures": {"eligible": -1}}, "number"),
        ({"figures": {"eligible": 1_000_000_000}}, "number"),
        ({"sequence": -1}, "number"),
        ({"sequence": 1_000_000_000}, "number"),
        ({"lists": (ListVotes(1, -1), ListVotes(2, 301))}, "number"),
        ({"lists": (ListVotes(1, 300, ((1, 301), (2, -1))),)}, "number"),
        ({"lists": (ListVotes(1, 150), ListVotes(1, 150))}, "list-twice"),
        ({"lists": (ListVotes(0, 300),)}, "number"),
        ({"lists": (ListVotes(1000, 300),)}, "number"),
        ({"lists": (ListVotes(1, 300, ((0, 300),)),)}, "number"),
        ({"lists": (ListVotes(1, 300, ((1000, 300),)),)}, "number"),
        ({"lists": (ListVotes(1, 200), ListVotes(3, 100))}, "unknown-list"),
        ({"lists": (ListVotes(1, 300, ((1, 150), (1, 150))),)}, "candidate-twice"),
        ({"lists": (ListVotes(1, 200), ListVotes(2, 99))}, "rule"),
        ({"lists": ()}, "rule"),
        ({"lists": (ListVotes(1, 300, ((1, 299),)),)}, "rule"),
        ({"figures": {"eligible": 49, "issued": 50, "valid-votes": 300}}, "rule"),
    ],
)
def test_wrong_protocol_is_refused(changes: dict[str, Any], code: str) -> None:
    """Each fault has its code, and the message names precinct, file, what was expected and what to do."""
    with pytest.raises(RefusedError) as caught:
        bring(**changes)
    assert caught.value.code == code
    message = str(caught.value)
    for part in ("Precinct", "1.xml", "expected", caught.value.expected, "send it again"):
        assert part in message


@pytest.mark.parametrize("wrong", ["", "a\x07b", "a\nb", "a\udcffb", "a\ufffe", "a" * 1001])
@pytest.mark.parametrize("where", ["source", "encoding", "format", "who", "path"])
def test_what_no_document_can_carry_is_refused(where: str, wrong: str) -> None:
    """Who brings a protocol and what it comes from are published with it for ever: they must fit into a document."""
    taken_over, origin = FIRST.taken_over, ORIGIN
    if where in ("who", "path"):
        origin = msgspec.structs.replace(origin, **{where: wrong})
    else:
        taken_over = msgspec.structs.replace(taken_over, **{where: wrong})
    with pytest.raises(RefusedError) as caught:
        admit(FIRST.protocol, taken_over, origin, INDEX, LAW)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("wrong", [{"source_sha256": "zz"}, {"offset": -1}, {"offset": 10**12}])
def test_wrong_place_of_the_source_is_refused(wrong: dict[str, Any]) -> None:
    """The hash of the source and the place in it are published too."""
    with pytest.raises(RefusedError, match="SHA-256"):
        admit(FIRST.protocol, msgspec.structs.replace(FIRST.taken_over, **wrong), ORIGIN, INDEX, LAW)


def test_rule_refusal_names_every_rule() -> None:
    """All blocking rules are told at once."""
    with pytest.raises(RuleError) as caught:
        bring(figures={"eligible": 49, "issued": 50, "valid-votes": 299})
    assert caught.value.rules == ("issued-within-eligible", "lists-add-up")


def test_warnings_do_not_block() -> None:
    """A warning is kept with the admission."""
    (finding,) = bring(figures={"eligible": 100, "issued": 50, "returned": 51, "valid-votes": 300}).findings
    assert (finding.rule, finding.severity) == ("returned-within-issued", "warning")


def test_number_not_drawn_yet_is_no_fault() -> None:
    """Where the register has lists without a number, a number it lacks is taken; where there is no ballot too."""
    lists = (ListVotes(1, 200), ListVotes(9, 100))
    undrawn = UnnumberedList("500011", "500011.1", None, "Made-up list")
    for changes in ({"unnumbered_lists": (undrawn,)}, {"lists": ()}):
        index = DefinitionIndex(msgspec.structs.replace(INDEX.definition, **changes))
        assert bring(index, lists=lists).protocol.lists == lists


def test_candidates_are_those_of_the_definition() -> None:
    """With candidates in the definition a number that is not among them is refused."""
    candidate = Candidate("500011", "500011.1", 1, 1, "Made", "Up")
    index = DefinitionIndex(msgspec.structs.replace(INDEX.definition, candidates=(candidate,)))
    bring(index, lists=(ListVotes(1, 300, ((1, 300),)),))
    with pytest.raises(RefusedError, match="candidate 2 is not on the list"):
        bring(index, lists=(ListVotes(1, 300, ((2, 300),)),))


def test_contest_of_another_law_is_refused() -> None:
    """A law admits only the kinds of contest it speaks of."""
    law = msgspec.structs.replace(LAW, contest_kinds=("senate",))
    with pytest.raises(RefusedError) as caught:
        admit(FIRST.protocol, FIRST.taken_over, ORIGIN, INDEX, law)
    assert caught.value.code == "contest-kind"


def test_batch_of_another_date_is_refused() -> None:
    """The date of the batch is that of the event; an event without a date takes any."""
    check_event(datetime.date(2030, 10, 4), None, "1.xml", INDEX)
    with pytest.raises(RefusedError) as caught:
        check_event(datetime.date(2026, 10, 9), None, "1.xml", INDEX)
    assert caught.value.code == "event-date"
    check_event(
        datetime.date(2026, 10, 9),
        None,
        "1.xml",
        DefinitionIndex(msgspec.structs.replace(INDEX.definition, date=None)),
    )


def test_form_does_not_depend_on_the_order_of_facts() -> None:
    """Figures, lists and candidates in any order have one form, and one form of bytes; what is admitted has it."""
    protocol = msgspec.structs.replace(
        FIRST.protocol, lists=(ListVotes(1, 3, ((1, 1), (2, 2))), ListVotes(2, 0))
    )
    other = msgspec.structs.replace(
        protocol,
        figures=dict(reversed(protocol.figures.items())),
        lists=(ListVotes(2, 0), ListVotes(1, 3, ((2, 2), (1, 1)))),
    )
    assert in_order(other) == in_order(protocol)
    assert chain_bytes(in_order(protocol)) == chain_bytes(in_order(other))
    assert bring().protocol == in_order(FIRST.protocol)
