"""The real night of 2018 goes through the door: every record, none refused."""

from pathlib import Path

import pytest
from lxml import etree

from skrutinium_server.election.formats import volby_batches as election_batches
from skrutinium_server.election.formats import volby_registers
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.merge import merge
from skrutinium_server.election.model import Definition
from skrutinium_server.intake.door import admit, check_event
from skrutinium_server.intake.formats.volby_batches import Batch, parse_record, read_batch, read_folder
from tests.intake.made import LAW, ORIGIN

NAMESPACE = "{http://www.volby.cz/kv/}"


def test_every_slice_agrees_with_the_whole_document(shared_data: Path) -> None:
    """In all 100 batches each slice holds, at its offset, the same elements and attributes as the parsed document."""
    records = 0
    for file in sorted((shared_data / "volby/kv2018/batches").glob("*.xml")):
        data = file.read_bytes()
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
        whole = etree.fromstring(data, parser).findall(f"{NAMESPACE}OKRSEK")
        batch = read_batch(data, file.name, LAW)
        assert isinstance(batch, Batch)
        assert len(batch.records) == len(whole)
        for record, element in zip(batch.records, whole, strict=True):
            taken_over, protocol = record.taken_over, record.protocol
            assert data[taken_over.offset : taken_over.offset + len(taken_over.data)] == taken_over.data
            alone = etree.fromstring(taken_over.data, parser)
            assert [dict(part.attrib) for part in alone.iter()] == [
                dict(part.attrib) for part in element.iter()
            ]
            assert parse_record(taken_over.data, taken_over.encoding, LAW) == protocol
            votes = {
                int(part.get("POR_STR_HLAS_LIST", "")): int(part.get("HLASY", "")) for part in element[1:]
            }
            assert {row.number: row.votes for row in protocol.lists} == votes
            assert [str(value) for value in protocol.figures.values()] == list(element[0].attrib.values())
            assert str(protocol.sequence) == element.get("PORADI_ZPRAC")
            assert protocol.repeated == (element.get("OPAKOVANE") == "1")
        records += len(whole)
    assert records == 16_090


def definition_of(source: str, night: Path) -> Definition:
    batches = election_batches.read_paths(LAW, [night / "batches"])
    return (
        batches
        if source == "batches"
        else merge(volby_registers.read_paths(LAW, [night / "registers"]), batches)
    )


@pytest.mark.parametrize(
    ("source", "skipped", "rules"), [("batches", 32_180, {}), ("merged", 16_090, {"votes-within-seats": 2})]
)
def test_every_record_is_admitted(
    source: str, skipped: int, rules: dict[str, int], shared_data: Path
) -> None:
    """With what the batches tell, and with the registers joined to it, no record is refused; unknown figures skip rules."""
    night = shared_data / "volby/kv2018"
    index = DefinitionIndex(definition_of(source, night))
    admitted = skipped_rules = 0
    findings: dict[str, int] = {}
    for batch in read_folder(night / "batches", LAW):
        assert isinstance(batch, Batch)
        check_event(batch.date, batch.round, batch.source, index)
        for record in batch.records:
            admission = admit(record.protocol, record.taken_over, ORIGIN, index, LAW)
            admitted += 1
            skipped_rules += admission.skipped_rules
            assert (admission.reason is not None) == record.protocol.repeated
            for finding in admission.findings:
                findings[finding.rule] = findings.get(finding.rule, 0) + 1
    assert admitted == 16_090
    # Votes of candidates are unknown in batches, and without registers the seats too.
    assert skipped_rules == skipped
    assert findings == {"votes-not-few": 5, "returned-near-issued": 5, "returned-within-issued": 5, **rules}
