"""The words of the access letter, in each language that it is written in."""

from collections.abc import Mapping
from typing import Final

import msgspec


class Wording(msgspec.Struct, frozen=True):
    """Every text of the letter; what stands in braces is filled in."""

    organiser: str
    subjects: Mapping[str, str]
    greeting: str
    openings: Mapping[str, str]
    date: str
    reference: str
    addresses: str
    first: str
    second: str
    ranges: str
    live: str
    test: str
    reach: str
    events: str
    every_event: str
    end: str
    until: str
    no_end: str
    check: str
    check_text: str
    fingerprint: str
    fingerprint_use: str
    bundle: str
    bundle_use: str
    windows: str
    test_rule: str
    test_rule_text: str
    reason: str
    ranges_ended: str
    contacts: str
    closing: str


ENGLISH: Final = Wording(
    organiser="The organiser of the election results",
    subjects={
        "granted": "Access to election results granted: {id}",
        "changed": "Access to election results, registration changed: {id}",
        "withdrawn": "Access to election results withdrawn: {id}",
    },
    greeting="Dear colleagues,",
    openings={
        "granted": (
            "your request was granted on {date}. From the ranges below you read the results of the election as XML, "
            "free of charge. Please check what is recorded and keep this letter at hand on the night."
        ),
        "changed": (
            "your registration was changed, or is confirmed anew. This letter replaces all earlier ones; "
            "access itself was granted on {date}. Please check what is recorded."
        ),
        "withdrawn": "your access was withdrawn on {date}. The ranges below read nothing any more.",
    },
    date="Date",
    reference="Letter",
    addresses="Addresses of the feed",
    first="Main site",
    second="Second site",
    ranges="Your ranges, as recorded",
    live="Live",
    test="Test",
    reach="What they read",
    events="Events",
    every_event="every event of this organiser",
    end="Until",
    until="{moment}",
    no_end="no end is set",
    check="How to check",
    check_text=(
        "Open {access} from a machine in each of your ranges. It tells the address that we see, whether it is inside, "
        "what it may read and until when. It answers everybody, so it also helps when something is wrong."
    ),
    fingerprint="Fingerprint of the signing key",
    fingerprint_use=(
        "Everything that we publish is signed with this key. Compare the fingerprint with the one that your program shows; "
        "if they differ, do not use the data and call us."
    ),
    bundle="Format, codebooks and registers",
    bundle_use=(
        "One bundle holds the description of the format, schemas, codebooks, registers and samples; it works without a network. "
        "It can be fetched from inside your ranges:"
    ),
    windows="Times",
    test_rule="Your test range",
    test_rule_text=(
        "It reads tests and rehearsals only. While live results of an event are published it reads nothing of that event: "
        "it is cut off when the live run opens. Tests of other events go on."
    ),
    reason="Reason",
    ranges_ended="Ranges that ended",
    contacts="Contacts",
    closing="With kind regards",
)

CZECH: Final = Wording(
    organiser="Pořadatel zpracování výsledků voleb",
    subjects={
        "granted": "Přístup k výsledkům voleb povolen: {id}",
        "changed": "Přístup k výsledkům voleb, změna registrace: {id}",
        "withdrawn": "Přístup k výsledkům voleb odebrán: {id}",
    },
    greeting="Vážení kolegové,",
    openings={
        "granted": (
            "Vaší žádosti bylo {date} vyhověno. Z níže uvedených rozsahů můžete bezplatně číst výsledky voleb ve formátu XML. "
            "Zkontrolujte prosím zapsané údaje a mějte tento dopis ve volební noc po ruce."
        ),
        "changed": (
            "Vaše registrace byla změněna nebo znovu potvrzena. Tento dopis nahrazuje všechny předchozí; "
            "přístup byl povolen {date}. Zkontrolujte prosím zapsané údaje."
        ),
        "withdrawn": "Váš přístup byl {date} odebrán. Z níže uvedených rozsahů již nelze nic číst.",
    },
    date="Datum",
    reference="Dopis",
    addresses="Adresy serveru",
    first="Hlavní server",
    second="Záložní server",
    ranges="Vaše rozsahy, jak jsou zapsány",
    live="Ostrý",
    test="Testovací",
    reach="Co je z nich přístupné",
    events="Volby",
    every_event="všechny volby tohoto pořadatele",
    end="Do",
    until="{moment}",
    no_end="bez omezení",
    check="Jak přístup ověřit",
    check_text=(
        "Otevřete {access} ze stroje v každém ze svých rozsahů. Stránka sdělí adresu, kterou vidíme, zda je povolena, "
        "co z ní lze číst a do kdy. Odpovídá každému, pomůže tedy i tehdy, když něco nefunguje."
    ),
    fingerprint="Otisk podpisového klíče",
    fingerprint_use=(
        "Vše, co zveřejňujeme, je tímto klíčem podepsáno. Porovnejte otisk s tím, který ukazuje Váš program; "
        "liší-li se, data nepoužívejte a zavolejte nám."
    ),
    bundle="Formát, číselníky a registry",
    bundle_use=(
        "Jeden balík obsahuje popis formátu, schémata, číselníky, registry a vzorky; funguje i bez sítě. "
        "Lze jej stáhnout z Vašich rozsahů:"
    ),
    windows="Termíny",
    test_rule="Váš testovací rozsah",
    test_rule_text=(
        "Čte pouze testy a zkoušky. Po dobu zveřejňování ostrých výsledků některých voleb z nich nečte nic: "
        "při zahájení ostrého zpracování je odpojen. Testy jiných voleb pokračují."
    ),
    reason="Důvod",
    ranges_ended="Ukončené rozsahy",
    contacts="Kontakty",
    closing="S pozdravem",
)

WORDINGS: Final[Mapping[str, Wording]] = {"en": ENGLISH, "cs": CZECH}
