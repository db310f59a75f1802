"""A law as data: fields of the protocol, rules, seat method and percent bases of one kind of contest at one date.

A law is one TOML file in ``election/laws/`` (design § 7). It is read strictly: a key, field, operator or condition that
no code is written for stops the start with a :class:`LawError` that names file, rule and what was expected.
"""

import datetime
import hashlib
import re
import tomllib
from fractions import Fraction
from importlib import resources
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from skrutinium_server.election.errors import LawError
from skrutinium_server.election.model import IDENTIFIER, ContestKind
from skrutinium_server.election.publication import Publication
from skrutinium_server.election.seat_law import MAJORITY_METHODS, MajorityLaw, SeatLaw

Severity = Literal["error", "hard", "warning"]
"""``error`` blocks, ``hard`` needs acceptance by the commission above, ``warning`` the commission's own position."""

Operator = Literal["=", "<=", ">=", "<", ">"]

SUMS: Final = ("@lists", "@list-differences")
"""What a term may name besides the law's fields: the sum of all list votes; the number of lists whose candidates'
votes are given and do not add up to the votes of the list (unknown when no list gives them)."""

PRECINCT_KINDS: Final = ("permanent", "abroad", "hospital", "care-home", "prison", "dormitory", "ship")
"""Kinds of precinct a rule may be limited to (codebook ``precinct-kinds``)."""

_FRACTION: Final = re.compile(r"[0-9]{1,9}(/[1-9][0-9]{0,8})?")


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure of the protocol, a whole number from 0.

    ``number`` is how the printed form counts it, ``volby`` the attribute of the Czech feeds that carries it.
    """

    id: str
    number: str
    name_cs: str
    name_en: str
    volby: str | None = None


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``field`` (or one of :data:`SUMS`) times a whole number, and times the seats of the district if so said."""

    field: str
    times: int = 1
    times_seats: bool = False


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``left operator factor × right + constant``, each side a sum of terms.

    The rule holds when the comparison is true and fires when it is not. With a figure (or the seats) unknown it is
    skipped, not applied with zero. ``factor`` is an exact fraction such as ``9/10``. With ``precinct_kinds`` the rule
    speaks of those precincts only. ``paragraph`` is where the law says so.
    """

    id: str
    severity: Severity
    left: tuple[Term, ...]
    operator: Operator
    text_cs: str
    text_en: str
    paragraph: str
    right: tuple[Term, ...] = ()
    factor: str = "1"
    constant: int = 0
    precinct_kinds: tuple[str, ...] = ()

    def share(self) -> Fraction:
        """:attr:`factor` as an exact number."""
        return Fraction(self.factor)


class Percentage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A percentage that is published: ``part`` of ``base``, both fields, ``@list`` or ``@candidate`` (the votes of one).

    Rounding belongs to the format that shows it, not to the law.
    """

    id: str
    part: str
    base: str


class Law(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One law. ``prefix`` begins the ids of its events (``kv``).

    The table ``[seats]`` of the file is ``seats`` where lists share the seats and ``majority`` where one person is
    elected; at most one of the two is there. ``publication`` is None where results may be read at any time.
    """

    id: str
    name_cs: str
    name_en: str
    prefix: str
    time_zone: str
    contest_kinds: tuple[ContestKind, ...]
    fields: tuple[Field, ...]
    rules: tuple[Rule, ...]
    percentages: tuple[Percentage, ...] = ()
    seats: SeatLaw | None = None
    majority: MajorityLaw | None = None
    publication: Publication | None = None

    def not_before(self, date: datetime.date) -> datetime.datetime | None:
        """The moment (UTC) before which nothing of a live run may be read; ``date`` is the first day of voting."""
        return None if self.publication is None else self.publication.moment(date, ZoneInfo(self.time_zone))

    def field(self, id: str) -> Field:
        """The field with that id; raises KeyError."""
        for field in self.fields:
            if field.id == id:
                return field
        raise KeyError(id)


def load_law(id: str) -> Law:
    """The law with that id, from the package; raises :class:`LawError` when there is none or it cannot be applied."""
    return read_law(f"{id}.toml", _law_bytes(id))


def law_sha256(id: str) -> str:
    """SHA-256 of the law file's bytes, hexadecimal: what a run records about the law it was counted by."""
    return hashlib.sha256(_law_bytes(id)).hexdigest()


def law_ids() -> tuple[str, ...]:
    """Ids of all laws in the package, sorted."""
    names = (entry.name for entry in resources.files("skrutinium_server.election.laws").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def read_law(file: str, data: bytes) -> Law:
    """A law from the bytes of its TOML file; ``file`` is only named in errors. Raises :class:`LawError`."""
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits are a plain ValueError
        raise LawError(f"{file}: not TOML in UTF-8 ({error})") from error
    rules = table.get("rules", [])
    if not isinstance(rules, list):
        raise LawError(f"{file}: `rules` is not a list; expected [[rules]] tables")
    read_rules = tuple(_read_rule(file, place, rule) for place, rule in enumerate(rules, 1))
    if "majority" in table:
        raise LawError(f"{file}: unknown table [majority]; expected [seats]")
    seats = table.get("seats")
    if isinstance(seats, dict) and seats.get("method") in MAJORITY_METHODS:
        table = {("majority" if key == "seats" else key): value for key, value in table.items()}
    try:
        law = msgspec.convert({**table, "rules": ()}, Law)
    except msgspec.ValidationError as error:
        raise LawError(f"{file}: {error}") from error
    law = msgspec.structs.replace(law, rules=read_rules)
    _check_names(file, law)
    for rule in law.rules:
        _check_rule(file, law, rule)
    return law


def _law_bytes(id: str) -> bytes:
    known = law_ids()
    if id not in known:
        raise LawError(f"There is no law {id!r}; expected one of {', '.join(known)}", code="law-unknown")
    return resources.files("skrutinium_server.election.laws").joinpath(f"{id}.toml").read_bytes()


def _read_rule(file: str, place: int, table: Any) -> Rule:
    name = table.get("id", f"number {place}") if isinstance(table, dict) else f"number {place}"
    try:
        return msgspec.convert(table, Rule)
    except msgspec.ValidationError as error:
        hint = ""
        if isinstance(table, dict) and table.get("operator") not in get_args(Operator):
            hint = f"; expected an operator of {' '.join(get_args(Operator))}"
        elif "unknown field" in str(error):
            hint = f"; expected the keys {', '.join(Rule.__struct_fields__)}, and for a term {', '.join(Term.__struct_fields__)}"
        raise LawError(f"{file}, rule {name}: {error}{hint}") from error


def _check_names(file: str, law: Law) -> None:
    if f"{law.id}.toml" != file:
        raise LawError(f"{file}: the law's id is {law.id!r}; expected the name of the file")
    if not law.fields:
        raise LawError(f"{file}: no [[fields]]; expected at least one")
    for what, ids in (
        ("field", [field.id for field in law.fields]),
        ("rule", [rule.id for rule in law.rules]),
        ("percentage", [percentage.id for percentage in law.percentages]),
    ):
        for id in ids:
            if not IDENTIFIER.fullmatch(id):
                raise LawError(f"{file}: {what} id {id!r}; expected letters, digits, '.' and '-'")
            if ids.count(id) > 1:
                raise LawError(f"{file}: {what} {id} stands twice; expected every id once")
    known = {field.id for field in law.fields} | {"@list", "@candidate"}
    for percentage in law.percentages:
        for name in (percentage.part, percentage.base):
            if name not in known:
                raise LawError(
                    f"{file}, percentage {percentage.id}: unknown field {name!r}; expected one of {', '.join(sorted(known))}"
                )


def _check_rule(file: str, law: Law, rule: Rule) -> None:
    where = f"{file}, rule {rule.id}"
    known = {field.id for field in law.fields} | set(SUMS)
    if not rule.left:
        raise LawError(f"{where}: `left` is empty; expected at least one term")
    for term in (*rule.left, *rule.right):
        if term.field not in known:
            raise LawError(
                f"{where}: unknown field {term.field!r}; expected one of {', '.join(sorted(known))}"
            )
        if term.times == 0:
            raise LawError(f"{where}: field {term.field} is taken 0 times; expected another whole number")
    if not _FRACTION.fullmatch(rule.factor):
        raise LawError(
            f"{where}: factor {rule.factor!r}; expected a fraction of whole numbers such as '9/10'"
        )
    for kind in rule.precinct_kinds:
        if kind not in PRECINCT_KINDS:
            raise LawError(
                f"{where}: unknown precinct kind {kind!r}; expected one of {', '.join(PRECINCT_KINDS)}"
            )
    if not (rule.text_cs.strip() and rule.text_en.strip() and rule.paragraph.strip()):
        raise LawError(
            f"{where}: an empty text or paragraph; expected text_cs, text_en and paragraph to be filled"
        )
