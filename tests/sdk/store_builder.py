"""Makes release stores by hand from the contract alone (docs/architecture.md, the schema): nothing of the server is used.

A small election: a town with two precincts (candidates' votes known) and a city with two wards, whose precincts hold two
contests each. What is wrong on purpose is changed in :class:`Night` before it is written.
"""

import base64
import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

EVENT, RUN, PHASE, SERIES = "kv2026", "night", "rehearsal", "skrutinium"
SCHEMA = "skrutinium/1.0/skrutinium.xsd"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
NS = 'xmlns="urn:skrutinium:1"'
ZEROS = "0" * 64

AREAS = {  # id: (kind, name, parent)
    "CZ": ("country", "Country", None),
    "10": ("region", "Region", "CZ"),
    "11": ("county", "County", "10"),
    "100": ("municipality", "Town", "11"),
    "200": ("municipality", "City", "11"),
    "201": ("ward", "Ward One", "200"),
    "202": ("ward", "Ward Two", "200"),
}
CONTESTS = {  # id: (kind, area)
    "100": ("municipal-council", "100"),
    "200": ("municipal-council", "200"),
    "201": ("ward-council", "201"),
    "202": ("ward-council", "202"),
}
COMMITTEES: dict[int, str | None] = {1: "7", 2: "8", 3: None}
PRECINCTS = {  # id: (area, contests)
    "100-1": ("100", ("100",)),
    "100-2": ("100", ("100",)),
    "201-1": ("201", ("200", "201")),
    "202-1": ("202", ("200", "202")),
}
CANDIDATES = (1, 2)


@dataclass(frozen=True)
class Sent:
    """A protocol as a precinct sent it; votes by list, candidates' votes are halves of them in contest 100."""

    precinct: str
    contest: str
    sequence: int
    votes: tuple[int, int, int]
    eligible: int = 500
    issued: int = 300

    @property
    def key(self) -> tuple[str, str]:
        return self.precinct, self.contest

    def figures(self) -> dict[str, int]:
        return {
            "eligible": self.eligible,
            "issued": self.issued,
            "returned": self.issued,
            "valid-votes": sum(self.votes),
        }

    def lists(self) -> dict[int, tuple[int, dict[int, int]]]:
        halves = self.contest == "100"
        return {
            number: (votes, {1: votes // 2, 2: votes - votes // 2} if halves else {})
            for number, votes in enumerate(self.votes, 1)
        }

    def bytes(self) -> bytes:
        if self.contest == "100":
            figures = ",".join(map(str, self.figures().values()))
            rows = [
                f"{self.precinct},{self.contest},{self.contest}.1,{self.sequence},2026-10-10T13:04:02Z,,{figures}"
            ]
            for one, (votes, candidates) in self.lists().items():
                rows.append(f"{self.precinct},{self.contest},{one},,{votes}")
                rows += [
                    f"{self.precinct},{self.contest},{one},{who},{part}" for who, part in candidates.items()
                ]
            return "\n".join(rows).encode("ascii")
        area, _, number = self.precinct.partition("-")
        lists = "".join(
            f'<HLASY_OKRSEK POR_STR_HLAS_LIST="{one}" HLASY="{votes}"/>\n'
            for one, votes in enumerate(self.votes, 1)
        )
        return (
            f'<OKRSEK CIS_OBEC="{area}" CIS_OKRSEK="{number}" KODZASTUP="{self.contest}" CIS_OBVODU="1" '
            f'OZNAC_TYPU="OBEC" PORADI_ZPRAC="{self.sequence}" DATUM_CAS_ZPRAC="2026-10-10T15:04:02" OPAKOVANE="0">\n'
            f'<UCAST_OKRSEK ZAPSANI_VOLICI="{self.eligible}" VYDANE_OBALKY="{self.issued}" '
            f'ODEVZDANE_OBALKY="{self.issued}" PLATNE_HLASY="{sum(self.votes)}"/>\n{lists}</OKRSEK>'
        ).encode("iso-8859-2")


NIGHT: tuple[tuple[Sent, ...], ...] = (
    (),
    (Sent("100-1", "100", 2, (80, 61, 7)), Sent("201-1", "200", 3, (10, 20, 30))),
    (Sent("201-1", "201", 4, (5, 6, 7)), Sent("100-1", "100", 5, (79, 62, 7))),  # the second is a correction
    (
        Sent("100-1", "100", 1, (1, 1, 1)),
        Sent("202-1", "200", 6, (40, 2, 0)),
    ),  # the first comes late: counts for nothing
    (Sent("100-2", "100", 8, (11, 12, 13)), Sent("202-1", "202", 9, (0, 0, 0))),
)


@dataclass(frozen=True)
class Entry:
    """A protocol in the ledger."""

    sent: Sent
    entry: int
    version: int
    supersedes: int | None


def _stamp(number: int, phase: str, run: str) -> str:
    return (
        f'{NS} event="{EVENT}" run="{run}" phase="{phase}" release="{number}" time="{moment(number)}" '
        'schema="1.0" codebook="1"'
    )


def moment(number: int) -> str:
    return f"2026-10-10T15:{number:02d}:00Z"


def _within(precinct: str) -> list[str]:
    area: str | None = PRECINCTS[precinct][0]
    found = []
    while area is not None:
        found.append(area)
        area = AREAS[area][2]
    return found


class Tally:
    """From-scratch sums over the entries given: slow, plain, independent of the SDK."""

    def __init__(self, entries: list[Entry], number: int, phase: str, run: str) -> None:
        self.stamp = _stamp(number, phase, run)
        self.counting: dict[tuple[str, str], Entry] = {}
        for one in entries:
            held = self.counting.get(one.sent.key)
            if held is None or one.sent.sequence > held.sent.sequence:
                self.counting[one.sent.key] = one
        self.polls = [(precinct, contest) for precinct, (_, held) in PRECINCTS.items() for contest in held]

    @property
    def state(self) -> str:
        return "complete" if len(self.counting) == len(self.polls) else "interim"

    def state_of(self, wanted: Callable[[str, str], bool]) -> str:
        """The state of a unit follows from its own count."""
        expected, sent = self._chosen(wanted)
        return "complete" if len(sent) == expected else "interim"

    def _chosen(self, wanted: Callable[[str, str], bool]) -> tuple[int, list[Sent]]:
        polls = [poll for poll in self.polls if wanted(*poll)]
        return len(polls), [self.counting[poll].sent for poll in polls if poll in self.counting]

    def progress(self, wanted: Callable[[str, str], bool]) -> str:
        expected, sent = self._chosen(wanted)
        word = "none" if not sent else "all" if len(sent) == expected else "part"
        return f'reporting="{word}" expected="{expected}" reported="{len(sent)}"'

    def count(self, wanted: Callable[[str, str], bool]) -> str:
        _, sent = self._chosen(wanted)
        names = ("eligible", "issued", "returned", "valid-votes") if sent else ()
        figures = "".join(
            f'<figure field="{name}" value="{sum(one.figures()[name] for one in sent)}"/>' for name in names
        )
        return f"<count {self.progress(wanted)}>{figures}</count>"

    def kinds(self, area: str) -> str:
        out = ""
        for kind in ("municipal-council", "ward-council"):
            held = {
                one for precinct, one in self.polls if CONTESTS[one][0] == kind and area in _within(precinct)
            }
            if not held:
                continue
            _, sent = self._chosen(lambda precinct, one, held=held: one in held and area in _within(precinct))  # type: ignore[misc]
            rows = ""
            for number, committee in COMMITTEES.items():
                name = f' id="{committee}" name="Committee {committee}"' if committee else ""
                votes = f' votes="{sum(one.votes[number - 1] for one in sent)}"' if sent else ""
                rows += f"<committee{name}{votes}/>"
            count = self.count(lambda precinct, one, held=held: one in held and area in _within(precinct))  # type: ignore[misc]
            out += f'<kind id="{kind}" contests="{len(held)}" decided="0" seats-decided="0">{count}{rows}</kind>\n'
        return out

    def out(self, area: str) -> str:
        """Precincts of an area, and those that owe a protocol."""
        within = [precinct for precinct in PRECINCTS if area in _within(precinct)]
        out = sum(any((one, held) not in self.counting for held in PRECINCTS[one][1]) for one in within)
        return f'precincts="{len(within)}" precincts-out="{out}"'

    def area_rows(self, area: str) -> str:
        return "".join(
            f'<area id="{one}" kind="{kind}" name="{name}" '
            f"{self.progress(lambda precinct, _, one=one: one in _within(precinct))} {self.out(one)}/>\n"  # type: ignore[misc]
            for one, (kind, name, parent) in AREAS.items()
            if parent == area
        )

    def event(self) -> bytes:
        return (
            f'{HEAD}<event-results {self.stamp} name="Made-up election" date="2026-10-09" {self.out("CZ")} state="{self.state}" '
            f'made-up="true">\n{self.kinds("CZ")}{self.area_rows("CZ")}</event-results>\n'
        ).encode()

    def area(self, id: str) -> bytes:
        kind, name, parent = AREAS[id]
        above = f' parent="{parent}"' if parent else ""
        rows = "".join(
            f'<contest id="{one}" kind="{told}" name="Council {one}" '
            f"{self.progress(lambda _, contest, one=one: contest == one)}/>\n"  # type: ignore[misc]
            for one, (told, at) in CONTESTS.items()
            if at == id
        )
        state = self.state_of(lambda precinct, _: id in _within(precinct))
        return (
            f'{HEAD}<area-results {self.stamp} id="{id}" kind="{kind}" name="{name}"{above} {self.out(id)} '
            f'state="{state}">\n'
            f"{self.kinds(id)}{self.area_rows(id)}{rows}</area-results>\n"
        ).encode()

    def contest(self, id: str) -> bytes:
        kind, area = CONTESTS[id]
        count = self.count(lambda _, contest: contest == id)
        _, sent = self._chosen(lambda _, contest: contest == id)
        lists = ""
        for number, committee in COMMITTEES.items():
            votes = f' votes="{sum(one.lists()[number][0] for one in sent)}"' if sent else ""
            candidates = ""
            for who in CANDIDATES if id == "100" else ():
                told = f' votes="{sum(one.lists()[number][1][who] for one in sent)}"' if sent else ""
                candidates += f'<candidate number="{who}" family-name="Candidate"{told}/>'
            by = f' committee="{committee}"' if committee else ""
            lists += f'<list number="{number}"{by} name="List {number}"{votes}>{candidates}</list>\n'
        state = self.state_of(lambda _, contest: contest == id)
        return (
            f'{HEAD}<contest-results {self.stamp} id="{id}" kind="{kind}" area="{area}" name="Council {id}" seats="5" '
            f'round="1" state="{state}" made-up="true">\n{count}<district id="{id}.1" number="1" name="District" '
            f'seats="5" outcome="open">{count}{lists}</district></contest-results>\n'
        ).encode()

    def precinct(self, id: str) -> bytes:
        area, held = PRECINCTS[id]
        parts = ""
        for contest in held:
            if (id, contest) in self.counting:
                parts += protocol(self.counting[id, contest], taken_over=False)
        for contest in held:
            if (id, contest) not in self.counting:
                parts += f'<awaited contest="{contest}" district="{contest}.1"/>'
        number = id.partition("-")[2]
        state = self.state_of(lambda precinct, _: precinct == id)
        return (
            f'{HEAD}<precinct-results {self.stamp} id="{id}" area="{area}" number="{number}" kind="permanent" '
            f'state="{state}">'
            f"{parts}</precinct-results>\n"
        ).encode()


def protocol(one: Entry, *, taken_over: bool) -> str:
    sent = one.sent
    data = sent.bytes()
    figures = "".join(f'<figure field="{name}" value="{value}"/>' for name, value in sent.figures().items())
    lists = ""
    for number, (votes, candidates) in sent.lists().items():
        inner = "".join(f'<candidate number="{who}" votes="{votes}"/>' for who, votes in candidates.items())
        lists += f'<list number="{number}" votes="{votes}">{inner}</list>'
    taken = ""
    if taken_over:
        form, encoding = ("csv", "UTF-8") if sent.contest == "100" else ("volby-batches", "ISO-8859-2")
        taken = (
            f'<taken-over format="{form}" encoding="{encoding}" source="made.xml" source-sha256="{ZEROS}" '
            f'offset="0">{base64.b64encode(data).decode()}</taken-over>'
        )
    supersedes = (
        f' supersedes="{one.supersedes}" reason="source-resend" authority="source"' if one.supersedes else ""
    )
    return (
        f'<protocol precinct="{sent.precinct}" contest="{sent.contest}" district="{sent.contest}.1" '
        f'entry="{one.entry}" version="{one.version}" sequence="{sent.sequence}" established="2026-10-10T13:04:02Z" '
        f'accepted="2026-10-10T13:05:00Z" sha256="{hashlib.sha256(data).hexdigest()}"{supersedes}>'
        f"{figures}{lists}{taken}</protocol>\n"
    )


def _correction(old: Entry, new: Entry) -> str:
    def numbers(one: Entry) -> dict[str, int]:
        told = {f'field="{name}"': value for name, value in one.sent.figures().items()}
        for number, (votes, candidates) in one.sent.lists().items():
            told[f'list="{number}"'] = votes
            told.update({f'list="{number}" candidate="{who}"': value for who, value in candidates.items()})
        return told

    before, after = numbers(old), numbers(new)
    changes = "".join(
        f'<change {part} old="{before[part]}" new="{after[part]}"/>'
        for part in before
        if before[part] != after[part]
    )
    return (
        f'<correction precinct="{new.sent.precinct}" contest="{new.sent.contest}" entry="{new.entry}" '
        f'supersedes="{old.entry}" reason="source-resend" authority="source" time="2026-10-10T13:05:00Z">'
        f"{changes}</correction>\n"
    )


@dataclass
class Made:
    """One release before it is written; what a test makes wrong it makes wrong here."""

    number: int
    documents: dict[str, bytes]
    position: int
    expected: int
    reported: int
    state: str
    checkpoint: bool = False


@dataclass
class Night:
    """All releases of a night, and the key that signs them."""

    releases: list[Made]
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    phase: str = PHASE
    run: str = RUN

    def change(self, number: int, path: str, old: str, new: str) -> None:
        """Replace the one place where ``old`` stands in a document."""
        documents = self.releases[number - 1].documents
        assert documents[path].count(old.encode()) == 1, documents[path].decode()
        documents[path] = documents[path].replace(old.encode(), new.encode())

    # ---------------------------------------------------------------- writing
    def write(self, root: Path, count: int | None = None) -> "Written":
        """Write the first ``count`` releases as a store; documents first, ``newest`` last."""
        written = Written(root, self)
        for made in self.releases[:count]:
            written.add(made)
        return written


def fingerprint(key: Ed25519PrivateKey) -> str:
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()


def sign(key: Ed25519PrivateKey, data: bytes) -> bytes:
    return f"ed25519 {fingerprint(key)[:16]} {base64.b64encode(key.sign(data)).decode()}\n".encode()


def public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def tar(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


class Written:
    """A store on the disk that can grow."""

    def __init__(self, root: Path, night: Night) -> None:
        self.root = root
        self.night = night
        self.previous = ZEROS
        self.number = 0
        self.rows: dict[str, str] = {}
        self.series = root / "event" / EVENT / night.run / SERIES
        self.put("keys/" + fingerprint(night.key)[:16] + ".pem", public_pem(night.key))
        self.state(1)

    def put(self, path: str, data: bytes) -> None:
        """Write one file of the store in one step."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name("." + target.name)
        beside.write_bytes(data)
        beside.replace(target)

    def in_series(self, path: str, data: bytes) -> None:
        """Write one file of the series."""
        self.put(f"event/{EVENT}/{self.night.run}/{SERIES}/{path}", data)

    def state(self, number: int, *, current: bool = True, phase: str | None = None) -> None:
        """Write the state file."""
        body = (
            f'{HEAD}<feed-state {NS} schema="1.0" number="{number}" time="2026-10-10T12:00:00Z">'
            f'<run event="{EVENT}" id="{self.night.run}" name="Made-up election" date="2026-10-09" '
            f'law="made-up-2030" phase="{phase or self.night.phase}" open="true" '
            f'current="{str(current).lower()}"><series id="{SERIES}"/></run></feed-state>\n'
        ).encode()
        self.put("state.xml", body + sign(self.night.key, body))

    def heartbeat(self, alive: str) -> None:
        """Write the heartbeat of the newest release."""
        stamp = _stamp(self.number, self.night.phase, self.night.run)
        body = (
            f'{HEAD}<heartbeat {stamp} series="{SERIES}" manifest="{self.previous}" alive="{alive}"/>\n'
        ).encode()
        self.in_series("heartbeat.xml", body + sign(self.night.key, body))

    def add(self, made: Made) -> bytes:
        """Write the next release; returns its manifest."""
        rows = {}
        for path, data in made.documents.items():
            digest = hashlib.sha256(data).hexdigest()
            rows[path] = (
                f'<document path="{path}" size="{len(data)}" sha256="{digest}" schema="{SCHEMA}" codebook="1"/>\n'
            )
            self.put(f"objects/{digest[:2]}/{digest[2:4]}/{digest}.gz", gzip.compress(data, mtime=0))
        self.rows |= rows
        stamp = _stamp(made.number, self.night.phase, self.night.run)
        mark = ' checkpoint="true"' if made.checkpoint else ""
        manifest = (
            f'{HEAD}<manifest {stamp} series="{SERIES}" previous="{self.previous}" position="{made.position}" '
            f'ledger="{"a" * 64}" state="{made.state}" expected="{made.expected}" reported="{made.reported}"{mark}>\n'
            f"{''.join(rows.values())}</manifest>\n"
        ).encode()
        digest = hashlib.sha256(manifest).hexdigest()
        if made.checkpoint:
            checkpoint = (
                f'{HEAD}<checkpoint {stamp} series="{SERIES}" manifest="{digest}">\n'
                f"{''.join(self.rows[path] for path in sorted(self.rows))}</checkpoint>\n"
            ).encode()
            self.in_series(f"checkpoint/{made.number:09d}.xml.gz", gzip.compress(checkpoint, mtime=0))
            self.in_series(f"checkpoint/{made.number:09d}.xml.sig", sign(self.night.key, checkpoint))
        line = sign(self.night.key, manifest)
        members = [("manifest.xml", manifest), ("manifest.xml.sig", line), *made.documents.items()]
        self.number = self.number + 1
        self.in_series(f"pack/{self.number:09d}.tar.gz", gzip.compress(tar(members), mtime=0))
        self.in_series(f"manifest/{self.number:09d}.xml.sig", line)
        self.in_series(f"manifest/{self.number:09d}.xml", manifest)
        self.in_series("newest", f"{self.number} {digest}\n".encode())
        self.previous = digest
        return manifest


def make_night(
    protocols: tuple[tuple[Sent, ...], ...] = NIGHT, *, phase: str = PHASE, run: str = RUN
) -> Night:
    """The releases that the protocols of each of them lead to, all right."""
    releases: list[Made] = []
    entries: list[Entry] = []
    position = 1
    held: dict[str, bytes] = {}
    for number, arrived in enumerate(protocols, 1):
        batch: list[Entry] = []
        corrections = ""
        for sent in arrived:
            position += 1
            before = [one for one in entries if one.sent.key == sent.key]
            counting = max(before, key=lambda one: one.sent.sequence, default=None)
            replaces = counting is not None and sent.sequence > counting.sent.sequence
            entry = Entry(sent, position, len(before) + 1, counting.entry if counting and replaces else None)
            if counting is not None and replaces:
                corrections += _correction(counting, entry)
            entries.append(entry)
            batch.append(entry)
        position += 1
        tally = Tally(entries, number, phase, run)
        documents = _documents(tally)
        body = {
            path: data.replace(_stamp(number, phase, run).encode(), b"") for path, data in documents.items()
        }
        documents = {path: data for path, data in documents.items() if held.get(path) != body[path]}
        held |= body
        stamp = _stamp(number, phase, run)
        if batch:
            parts = "".join(protocol(one, taken_over=True) for one in batch)
            documents[f"batch/{number}.xml"] = (
                f'{HEAD}<protocol-batch {stamp} state="{tally.state}">{parts}</protocol-batch>\n'.encode()
            )
        if corrections:
            documents[f"corrections/{number}.xml"] = (
                f'{HEAD}<corrections {stamp} state="{tally.state}">{corrections}</corrections>\n'.encode()
            )
        releases.append(
            Made(
                number,
                dict(sorted(documents.items())),
                position,
                len(tally.polls),
                len(tally.counting),
                tally.state,
                checkpoint=number in (2, len(protocols)),
            )
        )
    return Night(releases, phase=phase, run=run)


def _documents(tally: Tally) -> dict[str, bytes]:
    found = {"event.xml": tally.event()}
    found.update({f"area/{id}.xml": tally.area(id) for id in AREAS if id != "100"})
    found.update({f"contest/{id}.xml": tally.contest(id) for id in CONTESTS})
    found.update({f"precinct/{id}.xml": tally.precinct(id) for id in PRECINCTS})
    return found


def resent(sent: Sent, votes: tuple[int, int, int], sequence: int) -> Sent:
    """The same precinct's protocol again, with other votes."""
    return replace(sent, votes=votes, sequence=sequence)
