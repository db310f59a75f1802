"""Names that nobody can take for real ones: each holds by itself a word that says it is made up.

Invented words, to be read on a screen with pleasure; no party, place or person is meant by any of them.
"""

import random
import re
from collections.abc import Iterator
from itertools import count
from typing import Final, Literal, NamedTuple

from skrutinium_server.rehearsal.made_up.chance import below, several

MARK: Final = re.compile(
    r"\b(vymyšlen|smyšlen|fiktivn|neexistujíc|imaginárn|fingovan|předstíran)", re.IGNORECASE
)
"""Found in every name of a made-up election: in a committee, a list, an area, the family name of a candidate."""

COUNTRY: Final = "Vymyšlená republika"
EVENT: Final = "Vymyšlené volby do zastupitelstev obcí (nic z toho se nestalo)"
SENATE_EVENT: Final = "Vymyšlené volby do Senátu (nic z toho se nestalo)"
CITY: Final = "Vymyšlené Město"
INDEPENDENTS: Final = "Vymyšlení nezávislí"

Gender = Literal["m", "f", "n"]

_ADJECTIVES: Final[tuple[dict[Gender, str], ...]] = (
    {"m": "Imaginární", "f": "Imaginární", "n": "Imaginární"},
    {"m": "Smyšlený", "f": "Smyšlená", "n": "Smyšlené"},
    {"m": "Fiktivní", "f": "Fiktivní", "n": "Fiktivní"},
    {"m": "Fingovaný", "f": "Fingovaná", "n": "Fingované"},
    {"m": "Předstíraný", "f": "Předstíraná", "n": "Předstírané"},
    {"m": "Vymyšlený", "f": "Vymyšlená", "n": "Vymyšlené"},
    {"m": "Neexistující", "f": "Neexistující", "n": "Neexistující"},
)
_PLACES: Final[tuple[tuple[str, Gender], ...]] = (
    ("Lhota", "f"),
    ("Kocourkov", "m"),
    ("Ves", "f"),
    ("Hrádek", "m"),
    ("Podlesí", "n"),
    ("Bábovka", "f"),
    ("Knedlíkov", "m"),
    ("Rybníky", "m"),
    ("Tramtárie", "f"),
    ("Nikdetín", "m"),
    ("Zápecí", "n"),
    ("Hůrka", "f"),
    ("Koláčov", "m"),
    ("Mlýn", "m"),
    ("Okurkov", "m"),
    ("Zátiší", "n"),
    ("Borůvka", "f"),
    ("Pohádkov", "m"),
    ("Údolí", "n"),
    ("Studánka", "f"),
    ("Pelíškov", "m"),
    ("Brod", "m"),
    ("Kalužina", "f"),
    ("Bramborov", "m"),
    ("Zámostí", "n"),
    ("Peřinka", "f"),
    ("Trakařov", "m"),
    ("Pole", "n"),
    ("Vrbička", "f"),
    ("Svíčkov", "m"),
)
_QUARTERS: Final = ("Střed", "Nábřeží", "Na Kopci", "U Nádraží", "Za Parkem", "Sever", "Jih", "Zahrady")
_REGIONS: Final = ("Knedlíkový kraj", "Švestkový kraj", "Houbový kraj", "Borůvkový kraj", "Mlžný kraj")

PARTIES: Final = (
    "Vymyšlená strana milovníků knedlíků",
    "Smyšlené hnutí za delší víkendy",
    "Imaginární unie houbařů a houbařek",
    "Fiktivní aliance Tramvaj do každé vsi",
    "Předstíraná koalice Kočky a Psi",
    "Fingovaná strana pro mírný déšť",
    "Vymyšlení poetové a účetní",
    "Neexistující strana ranních ptáčat",
    "Smyšlená liga za levnější bábovky",
    "Fiktivní hnutí Každému jeden strom",
    "Imaginární strana opatrných optimistů",
    "Předstírané sdružení nočních sov",
)
"""Committees that stand in many councils."""

LOCAL: Final = (
    "Vymyšlení hasiči za novou stříkačku",
    "Imaginární sousedé proti dírám v silnici",
    "Fiktivní rybáři za plný rybník",
    "Smyšlené maminky za novou prolézačku",
    "Předstíraní zahrádkáři za tišší sekačky",
    "Fingovaná parta od hřiště",
    "Vymyšlení včelaři: méně hluku, více medu",
    "Neexistující chalupáři za signál na návsi",
    "Imaginární divadelníci Bez opony",
    "Fiktivní přátelé staré lípy",
    "Smyšlení šachisté pro rozvahu",
    "Vymyšlené babičky za delší lavičky",
    "Předstíraní cyklisté jen z kopce",
    "Fingovaný sbor Falešný tón",
    "Fiktivní hosté hospody U Prázdného sudu",
    "Smyšlení kominíci pro štěstí",
    "Vymyšlení pekaři za teplé rohlíky",
    "Předstíraná rada moudrých sov",
    "Neexistující pošta musí zůstat",
    "Imaginární fotbalisté: příště to vyjde",
    "Vymyšlení mladí starousedlíci",
    "Smyšlení pejskaři na vodítku",
    "Fiktivní kronikáři za lepší minulost",
    "Fingovaná brigáda Uklidíme zítra",
)
"""Names of lists that stand in one council only, put up by independents."""

_GIVEN: Final[tuple[tuple[str, ...], tuple[str, ...]]] = (
    (
        "Testoslav",
        "Zkušimír",
        "Fiktor",
        "Vzorek",
        "Příkladomil",
        "Pokusmír",
        "Vymyslav",
        "Cvičoslav",
        "Ukázek",
    ),
    (
        "Testa",
        "Zkušimíra",
        "Fiktora",
        "Vzorka",
        "Příkladka",
        "Pokusmila",
        "Vymyslava",
        "Cvičoslava",
        "Ukázka",
    ),
)
_FAMILY_MARKS: Final = (
    ("Vymyšlený", "Vymyšlená"),
    ("Imaginární", "Imaginární"),
    ("Smyšlený", "Smyšlená"),
    ("Fiktivní", "Fiktivní"),
    ("Fingovaný", "Fingovaná"),
    ("Předstíraný", "Předstíraná"),
    ("Neexistující", "Neexistující"),
)
_FAMILY_ENDS: Final = (
    ("Knedlík", "Knedlíková"),
    ("Rohlík", "Rohlíková"),
    ("Švestka", "Švestková"),
    ("Buchta", "Buchtová"),
    ("Lavička", "Lavičková"),
    ("Trakař", "Trakařová"),
    ("Okurka", "Okurková"),
    ("Petržel", "Petrželová"),
    ("Kedluben", "Kedlubnová"),
    ("Bačkora", "Bačkorová"),
    ("Hrnec", "Hrncová"),
    ("Pantofel", "Pantoflová"),
    ("Vařečka", "Vařečková"),
    ("Cedník", "Cedníková"),
    ("Špendlík", "Špendlíková"),
    ("Kaštan", "Kaštanová"),
    ("Deštník", "Deštníková"),
    ("Kolečko", "Kolečková"),
    ("Polštář", "Polštářová"),
    ("Žebřík", "Žebříková"),
    ("Rampouch", "Rampouchová"),
    ("Bublina", "Bublinová"),
    ("Kvedlačka", "Kvedlačková"),
)
_TITLES: Final = ("Ing.", "Mgr.", "Bc.", "MUDr.", "JUDr.")


class Person(NamedTuple):
    """The made-up name of a candidate."""

    given: str
    family: str
    title: str


def regions(number: int) -> list[str]:
    """Names of regions."""
    return [f"{_numbered(_REGIONS, place)} (vymyšlený)" for place in range(number)]


def counties(number: int) -> list[str]:
    """Names of counties, different from those of towns."""
    return [f"Okres {name}" for name in several_places(number, 3)]


def towns(chance: random.Random, number: int) -> list[str]:
    """Names of municipalities, all different; the first is the city's."""
    names = several_places(number - 1, below(chance, len(_PLACES)))
    return [CITY, *several(chance, names, len(names))]


def several_places(number: int, start: int) -> list[str]:
    """That many different places, with a number behind the name when there are more than names."""
    names: list[str] = []
    for round_ in count(1):
        for turn in range(len(_ADJECTIVES)):
            for place, (noun, gender) in enumerate(_PLACES):
                if len(names) == number:
                    return names
                name = f"{_ADJECTIVES[(place + start + turn) % len(_ADJECTIVES)][gender]} {noun}"
                if name != CITY:
                    names.append(name if round_ == 1 else f"{name} {round_}")
    raise AssertionError("counting does not end")


def wards(city: str, number: int) -> list[str]:
    """Names of the wards of a city."""
    return [f"{city}, {_numbered(_QUARTERS, place)}" for place in range(number)]


def people(chance: random.Random) -> Iterator[Person]:
    """Names of candidates, one after another without an end; the first 2,600 or so of them differ."""
    ends = len(_FAMILY_ENDS)
    size = 2 * len(_GIVEN[0]) * len(_FAMILY_MARKS) * ends
    place = below(chance, size)
    while True:
        draw = chance.getrandbits(16)
        # 1,009 is a prime that the number of names cannot be divided by: every name comes before one comes again.
        place = (place + 1009) % size
        rest, woman = divmod(place, 2)
        rest, end = divmod(rest, ends)
        given, mark = divmod(rest, len(_FAMILY_MARKS))
        title = _TITLES[draw % len(_TITLES)] if draw >> 8 < 50 else ""
        yield Person(_GIVEN[woman][given], f"{_FAMILY_MARKS[mark][woman]} {_FAMILY_ENDS[end][woman]}", title)


def _numbered(names: tuple[str, ...], place: int) -> str:
    again, place = divmod(place, len(names))
    return names[place] if again == 0 else f"{names[place]} {again + 1}"
