"""Makes the registers of the small election of :mod:`tests.sdk.store_builder` by hand, from the schema alone."""

import gzip
import hashlib
from dataclasses import dataclass, field

from tests.sdk.store_builder import (
    AREAS,
    CANDIDATES,
    COMMITTEES,
    CONTESTS,
    EVENT,
    HEAD,
    NS,
    PRECINCTS,
    ZEROS,
    Written,
    sign,
)

SCHEMA = "skrutinium/1.0/registers.xsd"
STAMP = f'{NS} event="{EVENT}" definition="1" definition-sha256="{"d" * 64}" time="2026-09-01T12:00:00Z" schema="1.0" made-up="true"'


def _optional(name: str, value: str | None) -> str:
    return f' {name}="{value}"' if value else ""


def _rows() -> dict[str, str]:
    lists = "".join(
        f'<list contest="{contest}" district="{contest}.1" number="{number}"{_optional("committee", committee)} '
        f'name="List {number}"/>'
        for contest in CONTESTS
        for number, committee in COMMITTEES.items()
    )
    persons = "".join(f'<candidate number="{who}" family-name="Candidate"/>' for who in CANDIDATES)
    return {
        "areas": "".join(
            f'<area id="{id}" kind="{kind}" name="{name}"{_optional("parent", parent)}/>'
            for id, (kind, name, parent) in AREAS.items()
        ),
        "candidates/11": "".join(
            f'<ballot contest="100" district="100.1" list="{number}">{persons}</ballot>'
            for number in COMMITTEES
        ),
        "committees": "".join(
            f'<committee id="{one}" name="Committee {one}"/>' for one in COMMITTEES.values() if one
        ),
        "contests": "".join(
            f'<contest id="{id}" kind="{kind}" form="lists" area="{area}" name="Council {id}" seats="5" round="1"/>'
            for id, (kind, area) in CONTESTS.items()
        ),
        "districts": "".join(
            f'<district id="{id}.1" contest="{id}" number="1" name="District" seats="5"/>' for id in CONTESTS
        ),
        "lists": lists,
        "precincts": "".join(
            f'<precinct id="{id}" area="{area}" number="{id.partition("-")[2]}" kind="permanent">'
            + "".join(f'<poll contest="{one}" district="{one}.1"/>' for one in held)
            + "</precinct>"
            for id, (area, held) in PRECINCTS.items()
        ),
    }


@dataclass
class Registers:
    """The registers before they are written; what a test makes wrong it makes wrong here."""

    documents: dict[str, bytes] = field(default_factory=dict)

    def change(self, name: str, old: str, new: str) -> "Registers":
        """Replace the first place where ``old`` stands in a register."""
        path = f"registers/{name}.xml"
        assert old.encode() in self.documents[path], self.documents[path].decode()
        self.documents[path] = self.documents[path].replace(old.encode(), new.encode(), 1)
        return self

    def write(self, written: Written, *, edition: int = 1) -> None:
        """Write them into a store, signed by its key; a later edition follows the index that is named as the newest."""
        rows, folder = "", f"event/{EVENT}/registers"
        newest = written.root / folder / "newest"
        previous = ZEROS if edition == 1 else newest.read_text().split()[1]
        for path, data in sorted(self.documents.items()):
            digest = hashlib.sha256(data).hexdigest()
            schema = f' schema="{SCHEMA}"' if path.endswith(".xml") else ""
            rows += (
                f'<document path="{path}" size="{len(data)}" sha256="{digest}"{schema} definition="1" '
                f'definition-sha256="{"d" * 64}" time="2026-09-01T12:00:00Z" changed="true"/>'
            )
            written.put(f"objects/{digest[:2]}/{digest[2:4]}/{digest}.gz", gzip.compress(data, mtime=0))
        index = f'{HEAD}<registers {STAMP} edition="{edition}" previous="{previous}">{rows}</registers>\n'.encode()
        again = "" if edition == 1 else f".{edition}"
        written.put(f"{folder}/000000001{again}.xml.sig", sign(written.night.key, index))
        written.put(f"{folder}/000000001{again}.xml", index)
        written.put(f"{folder}/newest", f"1 {hashlib.sha256(index).hexdigest()}\n".encode())


def make_registers() -> Registers:
    """The registers, all right."""
    documents: dict[str, bytes] = {"calendar.ics": b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"}
    for name, rows in _rows().items():
        root, _, area = name.partition("/")
        more = f' area="{area}"' if area else ""
        documents[f"registers/{name}.xml"] = f"{HEAD}<{root} {STAMP}{more}>{rows}</{root}>\n".encode()
    return Registers(documents)
