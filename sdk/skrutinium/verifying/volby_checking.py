"""Checking one release of the series ``volby``: its documents, then every number in them by the protocols of ``skrutinium``.

A county's document is its councils' elements one after the other. Where they are the very bytes of elements that were
checked in their own documents and nothing changed since, they are not read a second time.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from lxml import etree

from skrutinium.documents import parsing
from skrutinium.documents.series import Document, Manifest
from skrutinium.errors import SchemaError, SkrutiniumError
from skrutinium.sources.source import Material, matches
from skrutinium.verifying import majority, volby_comparing, volby_senate
from skrutinium.verifying.checking import Checker
from skrutinium.verifying.fixed import PERSON, Fixed
from skrutinium.verifying.pack_checking import wrong_pack
from skrutinium.verifying.prague import prague
from skrutinium.verifying.recount import Touched, Votes
from skrutinium.verifying.report import Report
from skrutinium.verifying.volby_comparing import NAMESPACE, TYPES, Key

SERIES = "volby"
ENCODINGS = ("UTF-8", "ISO-8859-2")
"""The encodings that documents of this series may have."""

_CHUNK = 64


@dataclass(frozen=True, slots=True)
class _Form:
    """One form of document: its path (the group is what names it), root and schema."""

    path: re.Pattern[str]
    root: str
    schema: str
    namespace: str = NAMESPACE


_COUNCIL = _Form(
    re.compile(r"zastup/vysledky_obec_(\d{1,6})\.xml"), "VYSLEDKY_OBEC", "volby/1/kv_vysledky_obec.xsd"
)
_NATIONAL = _Form(re.compile(r"(vysledky)\.xml"), "VYSLEDKY", "volby/1/kv_vysledky.xsd")
_COUNTY = _Form(
    re.compile(r"okresy/vysledky_obce_okres_(\w{1,10})\.xml"),
    "VYSLEDKY_OBCE_OKRES",
    "volby/1/kv_vysledky_obce_okres.xsd",
)
_BATCH = _Form(
    re.compile(r"okrsky/vysledky_okrsky_(\d{5,9})\.xml"),
    "VYSLEDKY_OKRSKY",
    "volby/1/kv_vysledky_okrsky.xsd",
)
_FORMS = (_COUNCIL, _NATIONAL, _COUNTY, _BATCH)
"""In the order in which a release is gone through: councils come before their counties."""

_CONSTITUENCIES = _Form(_NATIONAL.path, "VYSLEDKY", "volby/1/se_vysledky.xsd", volby_senate.NAMESPACE)
_MUNICIPALITIES = _Form(
    re.compile(r"obvody/vysledky_obce_obvod_(\d{1,3})\.xml"),
    "VYSLEDKY_OBCE_OBVOD",
    "volby/1/se_vysledky_obce_obvod.xsd",
    volby_senate.NAMESPACE,
)
_SENATE_BATCH = _Form(
    _BATCH.path, "VYSLEDKY_OKRSKY", "volby/1/se_vysledky_okrsky.xsd", volby_senate.NAMESPACE
)
_SENATE = (_CONSTITUENCIES, _MUNICIPALITIES, _SENATE_BATCH)
_BATCHES = (_BATCH, _SENATE_BATCH)

_HEAD = re.compile(rb"<\?xml[^<>]*\?>\n(?P<mark><!--[^<>]*-->\n)?<[A-Z_]+ [^<>]*>\n")
_ELEMENT = re.compile(rb"<OBEC [^<>]*>\n.*?</OBEC>\n", re.DOTALL)
_START = re.compile(rb'<OBEC KODZASTUP="(\d{1,6})" ')


@dataclass(slots=True)
class _Read:
    """A document as loaded; no ``root`` when something is wrong with it, or (``known``) when it need not be parsed."""

    row: Document
    form: _Form | None
    data: bytes = b""
    root: etree._Element | None = None
    opening: etree._Element | None = None
    codes: tuple[str, ...] = ()
    code: str = ""
    error: SkrutiniumError | None = None


def _form(path: str, forms: Sequence[_Form]) -> _Form | None:
    return next((form for form in forms if form.path.fullmatch(path)), None)


def _parsed(data: bytes, form: _Form, where: str) -> etree._Element:
    root = parsing.well_formed(data, where, encodings=ENCODINGS)
    if root.tag != form.namespace + form.root:
        raise SchemaError(f"the root is {root.tag!r}; expected {form.namespace}{form.root}", address=where)
    return root


def _validated(root: etree._Element, form: _Form, where: str) -> etree._Element:
    judge = parsing.schema(form.schema)
    if not judge.validate(root):
        first = next(iter(judge.error_log))
        raise SchemaError(f"line {first.line}: {first.message}", address=where)
    return root


def _opening(data: bytes, form: _Form, where: str) -> etree._Element | None:
    """The root element alone, of a document that begins as this series' do."""
    head = _HEAD.match(data)
    if head is None or not data.endswith(f"</{form.root}>\n".encode()):
        return None
    return _parsed(head[0] + f"</{form.root}>\n".encode(), form, where)


class VolbyChecker:
    """Goes through releases in order; ``checked`` has gone through all of the series ``skrutinium``."""

    def __init__(self, report: Report, checked: Checker, threads: int = 2) -> None:
        self.rows: dict[str, Document] = {}
        self._report = report
        self._looked = report.looked(SERIES)
        self._recount = checked.recount.from_start()
        self._log, self._reach, self._adding = checked.log, checked.position, checked.adding
        if not self._adding:
            report.note(f"{SERIES}: votes were not compared: the protocols could not all be added up")
        self._forms = _SENATE if self._recount.law in majority.LAWS else _FORMS
        self._kinds = (volby_senate.KIND,) if self._forms is _SENATE else tuple(TYPES)
        self._taken = 0
        self._position = 0
        self._owed: list[tuple[Key, Votes]] | None = []
        self._batch = 0
        self._fixed = Fixed()
        self._counties: dict[str, tuple[str, ...]] = {}
        self._known: dict[str, bytes] = {}
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="verify")

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown()

    def stop_adding(self, why: str) -> None:
        """Batches cannot be compared from here on; totals can, because a manifest names its position."""
        if self._owed is not None:
            self._owed = None
            self._report.note(f"{SERIES}: batches were not compared from here on: {why}")

    def release(self, manifest: Manifest, material: Material) -> None:
        """Check one release."""
        if (wrong := wrong_pack(manifest, material)) is not None:
            self._differs("pack", manifest, f"pack/{manifest.release}", *wrong)
        comparing = self._advance(manifest)
        touched, self._recount.touched = self._recount.touched, Touched()
        for contest in touched.contests:
            self._known.pop(contest, None)
        for read in self._load(manifest, material):
            self._judge(manifest, read, comparing)
        if comparing:
            self._totals(manifest)
        if comparing and self._adding:
            self._missing(manifest, touched.contests)
        self.rows.update((row.path, row) for row in manifest.documents)
        self._looked.releases += 1

    def _differs(
        self,
        code: str,
        manifest: Manifest,
        path: str,
        what: str,
        published: object,
        recomputed: object = "",
    ) -> None:
        self._report.differs(code, manifest.release, path, what, published, recomputed, series=SERIES)

    def _number(self, code: str, manifest: Manifest, path: str, finding: volby_comparing.Finding) -> None:
        """A number differs. Beyond the newest release of skrutinium it may be due to a protocol that is not told yet."""
        # The cut of that release is itself an entry: nothing lies between its position and the next.
        if manifest.position <= self._reach + 1:
            self._differs(code, manifest, path, *finding)
            return
        self.stop_adding(f"release {manifest.release} is ahead of the series skrutinium")
        self._report.note(
            f"{SERIES}: release {manifest.release} has numbers that the protocols in skrutinium, which reach to entry "
            f"{self._reach}, do not show yet; numbers were not compared from there on"
        )
        self._adding = False

    # ---------------------------------------------------------------- protocols
    def _advance(self, manifest: Manifest) -> bool:
        """Take in the protocols before the manifest's position; False when votes cannot be compared there."""
        if manifest.position < self._position:
            due = f"at least {self._position}"
            self._differs("order", manifest, "manifest.xml", "position", manifest.position, due)
        self._position = max(self._position, manifest.position)
        if not self._adding:
            return False
        while self._taken < len(self._log) and self._log[self._taken][0] < manifest.position:
            _, key, votes = self._log[self._taken]
            self._taken += 1
            first = key not in self._recount.current
            counts = self._recount.take(key, votes) is not None or first
            if counts and self._owed is not None and self._recount.kind.get(key[1]) in self._kinds:
                self._owed.append((key, votes))
        return True

    # ---------------------------------------------------------------- documents
    def _load(self, manifest: Manifest, material: Material) -> Iterator[_Read]:
        forms = [(row, _form(row.path, self._forms)) for row in manifest.documents]
        order = {id(form): place for place, form in enumerate((*self._forms, None))}
        forms.sort(key=lambda pair: order[id(pair[1])])
        # Counties wait until the elements of their councils are checked.
        early = (pair for pair in forms if pair[1] is not _COUNTY)
        late = (pair for pair in forms if pair[1] is _COUNTY)
        yield from self._chunks(early, material.load)
        yield from self._chunks(late, material.load)

    def _chunks(
        self, pairs: Iterable[tuple[Document, _Form | None]], load: Callable[[Document], bytes]
    ) -> Iterator[_Read]:
        left = iter(pairs)
        while chunk := list(islice(left, _CHUNK)):
            yield from self._threads.map(lambda pair: self._read(pair[0], pair[1], load), chunk)

    def _read(self, row: Document, form: _Form | None, load: Callable[[Document], bytes]) -> _Read:
        """Load, check and parse one document; runs in any thread."""
        try:
            data = load(row)
        except SkrutiniumError as error:
            return _Read(row, form, code="object", error=error)
        if wrong := matches(row, data, row.path):
            return _Read(row, form, code="object", error=wrong)
        if form is None:
            stranger = SchemaError("no document of this series has such a path")
            return _Read(row, None, code="stamp", error=stranger)
        try:
            opening = _opening(data, form, row.path) if form in (_COUNCIL, _COUNTY) else None
            if form is _COUNTY and opening is not None and (codes := self._as_known(data)):
                return _Read(row, form, data, None, opening, codes)
            return _Read(row, form, data, _validated(_parsed(data, form, row.path), form, row.path), opening)
        except SchemaError as error:
            return _Read(row, form, code="schema", error=error)

    def _as_known(self, data: bytes) -> tuple[str, ...]:
        """The councils of a county, if its document is nothing but elements that were checked; else nothing."""
        head = _HEAD.match(data)
        at = head.end() if head else 0
        codes = []
        while start := _START.match(data, at):
            council = start[1].decode("ascii")
            element = self._known.get(council)
            if element is None or not data.startswith(element, at):
                return ()
            codes.append(council)
            at += len(element)
        return tuple(codes) if data[at:] == b"</VYSLEDKY_OBCE_OKRES>\n" else ()

    def _judge(self, manifest: Manifest, read: _Read, comparing: bool) -> None:
        row, path = read.row, read.row.path
        self._looked.documents += 1
        if read.error is not None:
            self._differs(read.code, manifest, path, "the document cannot be used", read.error.message)
            if path.startswith("okrsky/"):
                self.stop_adding(f"{path} cannot be used")
            return
        assert read.form is not None
        root = read.root if read.root is not None else read.opening
        assert root is not None
        self._stamp(manifest, read, root)
        if row.schema != read.form.schema:
            self._differs("schema", manifest, path, "schema in the manifest", row.schema, read.form.schema)
        if row.codebook != manifest.codebook:
            self._differs("codebook", manifest, path, "codebook", row.codebook, manifest.codebook)
        councils = read.codes or self._constants(manifest, read, root)
        if read.form is _COUNTY and self._counties.setdefault(path, councils) != councils:
            self._differs("structure", manifest, path, "councils of the county", "changed", "as before")
        if comparing and self._adding:
            self._looked.totals += 1
            self._compare(manifest, read)

    def _stamp(self, manifest: Manifest, read: _Read, root: etree._Element) -> None:
        time = prague(manifest.time)
        if root.get("DATUM_CAS_GENEROVANI") != time:
            told = root.get("DATUM_CAS_GENEROVANI")
            self._differs("stamp", manifest, read.row.path, "DATUM_CAS_GENEROVANI", told, time)
        head = _HEAD.match(read.data)
        mark = head["mark"] if head else None
        due = f"<!-- {manifest.phase.upper()}: run ".encode()
        if (manifest.phase == "live") != (mark is None) or (mark is not None and not mark.startswith(due)):
            told = None if mark is None else mark.decode("utf-8", "replace").strip()
            self._differs("stamp", manifest, read.row.path, "mark of the phase", told, manifest.phase)

    def _constants(self, manifest: Manifest, read: _Read, root: etree._Element) -> tuple[str, ...]:
        """Names and other constants of a document that was parsed; returns the councils in it."""
        if self._forms is _SENATE:
            self._persons(manifest, read, root)
        councils = list(root.iterchildren(NAMESPACE + "OBEC"))
        codes = tuple(str(one.get("KODZASTUP")) for one in councils)
        named = (_COUNCIL.path.fullmatch(read.row.path) or ("", codes[0] if codes else ""))[1]
        if codes and named != codes[0]:
            self._differs("stamp", manifest, read.row.path, "KODZASTUP", codes[0], named)
        parts = list(zip(codes, councils, strict=True)) or [(read.row.path, root)]
        for name, part in parts:
            before = self._fixed.changed(name, part, manifest.codebook, manifest.release)
            if before is not None:
                what = f"names or other things that are fixed in {name}"
                self._differs(
                    "structure", manifest, read.row.path, what, "changed", f"as in release {before}"
                )
        return codes

    def _persons(self, manifest: Manifest, read: _Read, root: etree._Element) -> None:
        """The names of single persons, each of whom may come into the document later than the others."""
        for person in root.iter(PERSON):
            above = person.getparent()
            where = "" if above is None else above.get("CISLO")
            name = f"constituency {where}: candidate {person.get('PORADOVE_CISLO')}"
            before = self._fixed.changed(name, person, manifest.codebook, manifest.release)
            if before is not None:
                what = f"the name of {name}"
                self._differs(
                    "structure", manifest, read.row.path, what, "changed", f"as in release {before}"
                )
        named = _MUNICIPALITIES.path.fullmatch(read.row.path)
        told = None if named is None else root.find(f"{volby_senate.NAMESPACE}OBVOD")
        if named is not None and told is not None and told.get("CISLO") != named[1]:
            self._differs("stamp", manifest, read.row.path, "CISLO", told.get("CISLO"), named[1])

    # ---------------------------------------------------------------- numbers
    def _compare(self, manifest: Manifest, read: _Read) -> None:
        root, path = read.root, read.row.path
        if root is None:
            return  # every element is one that was compared
        findings: list[volby_comparing.Finding] = []
        if read.form is _NATIONAL:
            findings += volby_comparing.national(root, self._recount)
        elif read.form is _CONSTITUENCIES:
            findings += volby_senate.constituencies(root, self._recount)
        elif read.form is _MUNICIPALITIES:
            findings += volby_senate.municipalities(root, self._recount)
        elif read.form in _BATCHES:
            findings += self._records(path, root)
        for element in root.iterchildren(NAMESPACE + "OBEC"):
            findings += volby_comparing.council(element, self._recount)
        for finding in findings:
            self._number("record" if read.form in _BATCHES else "total", manifest, path, finding)
        if read.form is _COUNCIL and read.opening is not None and not findings:
            head = _HEAD.match(read.data)
            element_bytes = _ELEMENT.match(read.data, head.end() if head else 0)
            if element_bytes is not None and read.data[element_bytes.end() :] == b"</VYSLEDKY_OBEC>\n":
                self._known[str(root[0].get("KODZASTUP"))] = element_bytes[0]

    def _records(self, path: str, root: etree._Element) -> Iterator[volby_comparing.Finding]:
        self._batch += 1
        named = _BATCH.path.fullmatch(path)
        if self._owed is None or named is None:
            return
        owed, self._owed = self._owed, []
        if int(named[1]) != self._batch:
            yield "number of the batch", int(named[1]), self._batch
        compare = volby_senate.batch if self._forms is _SENATE else volby_comparing.batch
        yield from compare(root, int(named[1]), owed, self._recount)

    def _totals(self, manifest: Manifest) -> None:
        for name, theirs, ours in (
            ("expected", manifest.expected, self._recount.expected),
            ("reported", manifest.reported, len(self._recount.current)),
        ):
            if theirs != ours:
                self._number("total", manifest, "manifest.xml", (name, theirs, ours))

    def _missing(self, manifest: Manifest, touched: set[str]) -> None:
        """What has other numbers now has to be in the release; the first holds everything."""
        kind = self._recount.kind
        councils = {one for one in (touched if self.rows else kind) if kind.get(one) in self._kinds}
        there = {row.path for row in manifest.documents}
        family = "obvody/vysledky_obce_obvod" if self._forms is _SENATE else "zastup/vysledky_obec"
        due = {f"{family}_{one}.xml" for one in councils}
        due |= {path for path, codes in self._counties.items() if not councils.isdisjoint(codes)}
        due |= {"vysledky.xml"} if councils else set()
        for path in sorted(due - there):
            self._differs("missing", manifest, path, "changed, but is not in the release", "")
