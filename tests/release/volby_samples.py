"""The samples of the format volby: what the writer makes of the made-up election, and named faults put into it.

``python -m tests.release.volby_samples`` writes them to ``samples/volby/1`` anew.
"""

from pathlib import Path

from tests.release import volby_senate_event as senate
from tests.release.volby_event import CITY, DIVIDED, TOWN, Night, definition, protocol, protocols

FOLDER = Path(__file__).resolve().parents[2] / "samples" / "volby" / "1"

_STAMP = 'DATUM_CAS_GENEROVANI="2030-10-05T14:32:00"'
_OLD_STAMP = 'DATUM_GENEROVANI="05/10/2030" CAS_GENEROVANI="14:32:00"'
_BLOCK = '<TYP_ZASTUP OZNAC_TYPU="MCMO"'

FAULTS = (
    # sample, what is wrong with it, what is replaced, by what
    ("vysledky", "stamp-missing", f"\n          {_STAMP}", ""),
    ("vysledky", "stamp-twice", _STAMP, f"{_STAMP} {_OLD_STAMP}"),
    ("vysledky", "stamp-with-zone", "14:32:00", "14:32:00Z"),
    ("vysledky", "percent-with-comma", 'UCAST_PROC="49.84"', 'UCAST_PROC="49,84"'),
    ("vysledky", "percent-one-decimal", 'UCAST_PROC="49.84"', 'UCAST_PROC="49.8"'),
    ("vysledky", "wards-missing", _BLOCK, None),
    ("vysledky", "council-type-unknown", 'OZNAC_TYPU="MCMO"', 'OZNAC_TYPU="KRAJ"'),
    ("vysledky", "votes-negative", 'HLASY="405"', 'HLASY="-405"'),
    ("vysledky", "precincts-too-many", 'OKRSKY_CELKEM="5"', 'OKRSKY_CELKEM="500000"'),
    ("vysledky", "party-code-too-long", 'VSTRANA="1"', 'VSTRANA="10000"'),
    (
        "vysledky",
        "type-name-empty",
        'NAZ_TYPU="Zastupitelstvo městské části nebo městského obvodu"',
        'NAZ_TYPU=""',
    ),
    ("vysledky", "attribute-unknown", "<ZASTUPIT_INFO ", '<ZASTUPIT_INFO POZNAMKA="" '),
    ("vysledky", "turnout-missing", "<UCAST ", None),
    ("vysledky-2014", "day-missing", 'DATUM_GENEROVANI="05/10/2030" ', ""),
    ("vysledky-2014", "time-missing", ' CAS_GENEROVANI="14:32:00"', ""),
    ("vysledky-2014", "day-with-points", "05/10/2030", "05.10.2030"),
    ("vysledky-2014", "time-without-seconds", "14:32:00", "14:32"),
    ("vysledky_obce_okres", "council-missing", "<OBEC ", None),
    (
        "vysledky_obec",
        "two-councils",
        "</OBEC>\n",
        '</OBEC>\n<OBEC KODZASTUP="1" NAZEVZAST="Nikde" OZNAC_TYPU="OBEC" POCET_OBVODU="1" JE_SPOCTENO="true"/>\n',
    ),
    ("vysledky_obec", "code-too-long", f'KODZASTUP="{TOWN}"', f'KODZASTUP="{TOWN}0"'),
    ("vysledky_obec", "name-empty", 'NAZEVZAST="Vymyšlená Lhota"', 'NAZEVZAST=""'),
    ("vysledky_obec", "counted-in-words", 'JE_SPOCTENO="true"', 'JE_SPOCTENO="ano"'),
    ("vysledky_obec", "list-number-zero", 'POR_STR_HLAS_LIST="1"', 'POR_STR_HLAS_LIST="0"'),
    ("vysledky_obec", "list-name-empty", 'NAZEV_STRANY="Strana &quot;Nic&quot;"', 'NAZEV_STRANY=""'),
    ("vysledky_obec", "seats-fraction", 'ZASTUPITELE_POCET="2"', 'ZASTUPITELE_POCET="2.5"'),
    ("vysledky_obec", "family-name-too-long", 'PRIJMENI="Smyšlený1"', f'PRIJMENI="{"Smyšlený" * 6}"'),
    ("vysledky_obec", "title-too-long", 'TITULPRED="Ing."', f'TITULPRED="{"Ing. " * 9}"'),
    ("vysledky_obec", "envelopes-negative", 'VYDANE_OBALKY="239"', 'VYDANE_OBALKY="-239"'),
    ("vysledky_obec-districts", "district-number-missing", 'CIS_OBVODU="1" ', ""),
    (
        "vysledky_obec-districts",
        "district-before-turnout",
        "</VYSLEDEK>\n<OBVOD ",
        '</VYSLEDEK>\n<UCAST OKRSKY_CELKEM="1" OKRSKY_ZPRAC="0" OKRSKY_ZPRAC_PROC="0.00"/>\n<OBVOD ',
    ),
    ("vysledky_okrsky", "date-with-dashes", 'DATUMVOLEB="20301004"', 'DATUMVOLEB="2030-10-04"'),
    ("vysledky_okrsky", "precinct-zero", 'CIS_OKRSEK="1001"', 'CIS_OKRSEK="0"'),
    ("vysledky_okrsky", "sequence-missing", 'PORADI_ZPRAC="1" ', ""),
    ("vysledky_okrsky", "sequence-negative", 'PORADI_ZPRAC="1"', 'PORADI_ZPRAC="-1"'),
    ("vysledky_okrsky", "repeated-in-words", 'OPAKOVANE="0"', 'OPAKOVANE="ne"'),
    ("vysledky_okrsky", "stamp-old", _STAMP, _OLD_STAMP),
    ("vysledky_okrsky", "error-and-data", "<DAVKA ", '<CHYBA KOD_CHYBY="10"/>\n<DAVKA '),
    ("vysledky_okrsky-error-10", "code-missing", ' KOD_CHYBY="10"', ""),
    ("vysledky_okrsky-error-10", "code-zero", '"10"', '"0"'),
    ("se_vysledky", "round-unknown", 'KOLO="1"', 'KOLO="3"'),
    ("se_vysledky", "word-unknown", 'ZVOLEN_1KOLO="2.KOLO"', 'ZVOLEN_1KOLO="ANO"'),
    ("se_vysledky", "votes-missing", ' HLASY_1KOLO="39"', ""),
    ("se_vysledky", "constituency-zero", 'CISLO="4"', 'CISLO="0"'),
    ("se_vysledky", "totals-missing", "<CELKEM", None),
    ("se_vysledky-second-round", "runs-a-third-time", 'ZVOLEN_2KOLO="ZVOLEN"', 'ZVOLEN_2KOLO="2.KOLO"'),
    ("se_vysledky-2014", "stamp-twice", _OLD_STAMP, f"{_STAMP} {_OLD_STAMP}"),
    ("se_vysledky-error-10", "code-zero", '"10"', '"0"'),
    ("se_vysledky_obce_obvod", "name-empty", 'NAZ_OBEC="Vymyšlená Lhota"', 'NAZ_OBEC=""'),
    ("se_vysledky_obce_obvod", "municipality-missing", "<OBEC ", None),
    ("se_vysledky_okrsky", "round-missing", 'KOLO="1" ', ""),
    ("se_vysledky_okrsky", "constituency-missing", 'CIS_OBVOD="4" ', ""),
    (
        "se_vysledky_okrsky",
        "candidate-zero",
        '<HLASY_OKRSEK PORADOVE_CISLO="1"',
        '<HLASY_OKRSEK PORADOVE_CISLO="0"',
    ),
    (
        "vysledky_okrsky-error-10",
        "sentence-too-long",
        '<CHYBA KOD_CHYBY="10"/>',
        f'<CHYBA KOD_CHYBY="10">{"dlouhé " * 20}</CHYBA>',
    ),
)


def valid() -> dict[str, bytes]:
    """The valid samples by name."""
    event = definition()
    night = Night(event)
    before = night.cut()
    for row in protocols(event):
        night.take(row)
    done = night.cut(1)
    corrected = protocol(event.polls[0], 7, [[9, 8, 7, 6, 5], [5, 6, 7, 8, 9]], repeated=True)
    night.take(corrected)
    resent = night.cut(2)
    samples = {
        "vysledky-not-started": before["vysledky.xml"].data,
        "vysledky": done["vysledky.xml"].data,
        "vysledky_obce_okres": done["okresy/vysledky_obce_okres_CZ0999.xml"].data,
        "vysledky_obec-not-started": before[f"zastup/vysledky_obec_{TOWN}.xml"].data,
        "vysledky_obec": done[f"zastup/vysledky_obec_{TOWN}.xml"].data,
        "vysledky_obec-districts": done[f"zastup/vysledky_obec_{DIVIDED}.xml"].data,
        "vysledky_obec-party-unknown": done[f"zastup/vysledky_obec_{CITY}.xml"].data,
        "vysledky_okrsky": done["okrsky/vysledky_okrsky_00001.xml"].data,
        "vysledky_okrsky-correction": resent["okrsky/vysledky_okrsky_00002.xml"].data,
    }
    samples["vysledky-2014"] = _replaced(samples["vysledky"], _STAMP, _OLD_STAMP)
    samples["vysledky_okrsky-2026"] = _replaced(
        samples["vysledky_okrsky"],
        'PLATNE_HLASY="105"/>',
        'PLATNE_HLASY="105" VOLICSKE_PRUKAZY="0" PLATNE_LISTKY="100"/>',
    )
    for code in (10, 30):
        samples[f"vysledky_okrsky-error-{code}"] = _error(samples["vysledky_okrsky"], code)
    return samples | _of_the_senate()


def _of_the_senate() -> dict[str, bytes]:
    nights = []
    for event, votes in (
        (senate.first_definition(), senate.FIRST_VOTES),
        (senate.second_definition(), senate.SECOND_VOTES),
    ):
        night = Night(event)
        nights.append(night.cut())
        for row in senate.protocols(event, votes):
            night.take(row)
        nights.append(night.cut(1))
    before, done, _, again = nights
    samples = {
        "se_vysledky-not-started": before["vysledky.xml"].data,
        "se_vysledky": done["vysledky.xml"].data,
        "se_vysledky-second-round": again["vysledky.xml"].data,
        "se_vysledky_obce_obvod": done["obvody/vysledky_obce_obvod_4.xml"].data,
        "se_vysledky_obce_obvod-second-round": again["obvody/vysledky_obce_obvod_4.xml"].data,
        "se_vysledky_okrsky": done["okrsky/vysledky_okrsky_00001.xml"].data,
        "se_vysledky_okrsky-second-round": again["okrsky/vysledky_okrsky_00001.xml"].data,
    }
    older = _replaced(samples["se_vysledky-second-round"], _STAMP, _OLD_STAMP)
    samples["se_vysledky-2014"] = older.replace(
        b"http://www.volby.cz/senat/", b"http://www.w3.org/namespace/"
    )
    data = samples["se_vysledky"]
    samples["se_vysledky-error-10"] = (
        data[: data.index(b"<OBVOD")] + b'<CHYBA KOD_CHYBY="10"/>\n</VYSLEDKY>\n'
    )
    return samples


def invalid() -> dict[str, bytes]:
    """The invalid samples by name: the valid one, two hyphens, the fault."""
    samples = valid()
    return {f"{name}--{fault}": _faulty(samples[name], old, new) for name, fault, old, new in FAULTS}


def _replaced(data: bytes, old: str, new: str) -> bytes:
    assert old.encode() in data, old
    return data.replace(old.encode(), new.encode(), 1)


def _faulty(data: bytes, old: str, new: str | None) -> bytes:
    """With the first ``old`` replaced, or (None) with the elements that begin so left out."""
    if new is not None:
        return _replaced(data, old, new)
    name = old.split(maxsplit=1)[0]
    text = data.decode()
    while (start := text.find(old)) >= 0:
        closed = text.find(">", start)
        whole = text[closed - 1] == "/"
        end = closed + 1 if whole else text.index(f"</{name[1:]}>", start) + len(name) + 2
        text = text[:start] + text[end + 1 :]
    return text.encode()


def _error(data: bytes, code: int) -> bytes:
    start = data.index(b"<DAVKA")
    return data[:start] + f'<CHYBA KOD_CHYBY="{code}"/>\n</VYSLEDKY_OKRSKY>\n'.encode()


def main() -> None:
    """Write all samples."""
    for folder, samples in (("valid", valid()), ("invalid", invalid())):
        (FOLDER / folder).mkdir(parents=True, exist_ok=True)
        for name, data in samples.items():
            (FOLDER / folder / f"{name}.xml").write_bytes(data)


if __name__ == "__main__":
    main()
