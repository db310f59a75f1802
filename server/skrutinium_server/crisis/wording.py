"""The words of a message in each language that it is written in. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from skrutinium_server.crisis.model import Kind
from skrutinium_server.crisis.recipients import Language


class Wording(msgspec.Struct, frozen=True):
    """Every text of a message; what stands in braces is filled in."""

    phases: Mapping[str, str]
    """Marks of a run that is not live, in capitals; they stand first."""
    made_up: str
    no_result: str
    """Said of a run that is not live."""
    trial: str
    """Mark of a message that only tries out the way to the recipient."""
    states: Mapping[str, str]
    reasons: Mapping[Kind, str]
    """Why this message comes."""
    subjects: Mapping[Kind, str]
    nothing_yet: str
    kinds: Mapping[str, str]
    other_kind: str
    release: str
    changed: str
    corrected: str
    protocols: str
    turnout: str
    decided: str
    of: str
    votes: str
    share: str
    seats: str
    seats_so_far: str
    """Said below a table while not all contests are decided: on air the seats would sound like those of all."""
    unnamed: str
    others: str
    none_reported: str
    every: str
    files: str
    left_out: str
    part: str
    check: str
    check_text: str
    fingerprint: str
    second_site: str
    call: str
    note: str
    """``READ-ME.txt``."""
    moment: str
    """Day, month and year, hours and minutes."""
    thousands: str
    decimal: str


ENGLISH: Final = Wording(
    phases={"test": "TEST", "rehearsal": "REHEARSAL"},
    made_up="MADE UP",
    no_result="This is no result of an election: do not broadcast it.",
    trial="TEST MESSAGE",
    states={
        "interim": "interim results",
        "complete": "all protocols are in; not declared yet",
        "final": "final results",
        "certified": "certified results",
        "corrected": "results corrected after they were final",
    },
    reasons={
        "begin": "The feed cannot be relied on at this moment. From now on the results come by e-mail.",
        "release": "The feed cannot be relied on; these are the newest results.",
        "unchanged": "The feed cannot be relied on; nothing has changed since the message before.",
        "end": "The feed is back: read the results there again. This is the last message of this kind.",
        "test": "This message only tries out the way to you. The feed is where it always is; there is nothing to do.",
    },
    subjects={
        "begin": "release {number}",
        "release": "release {number}",
        "unchanged": "release {number} unchanged",
        "end": "the feed is back · release {number}",
        "test": "release {number}",
    },
    nothing_yet="no results yet",
    kinds={
        "municipal-council": "Municipal councils",
        "ward-council": "Ward councils",
        "regional-council": "Regional councils",
        "senate": "Senate",
        "mayor": "Mayors",
        "referendum": "Referendum",
    },
    other_kind="Contests of kind {id}",
    release="Release {number}",
    changed="as of {moment}",
    corrected="A protocol was corrected since the message before: a figure may have gone down. See corrections/ in the files.",
    protocols="Protocols in",
    turnout="Turnout",
    decided="Contests decided",
    of="{part} of {whole}",
    votes="votes",
    share="share",
    seats="seats",
    seats_so_far="Seats are those of the contests decided so far: {decided}.",
    unnamed="committee {id}",
    others="lists of unknown committees",
    none_reported="No protocol is in yet.",
    every="The next message comes in {minutes} min at the latest, also when nothing changes.",
    files="Attached",
    left_out="Left out, because a file is larger than agreed",
    part="This is part {part} of {parts}; each can be read by itself.",
    check="How to check",
    check_text=(
        "Every file is named with its SHA-256 in a manifest, and every manifest is signed. Install the program once (pip install skrutinium); "
        "the command `skrutinium mail` reads your mailbox and checks all of it. Do not trust the sender of a mail: only the signature counts."
    ),
    fingerprint="Fingerprint of the key; compare it with the one on your letter of access",
    second_site="The same results are read at the second site",
    call="Whom to call",
    note=(
        "Election results, sent by e-mail because the feed could not be relied on.\n\n"
        "{name}\nRelease {number}, {moment}\n{marks}\n"
        "event.xml, summary.xml and what lies beside them   the newest results\n"
        "manifest/NUMBER.xml, manifest/NUMBER.xml.sig       what release NUMBER changed, with SHA-256; its signature\n"
        "release/NUMBER/...                                 documents as of that earlier release\n"
        "state.xml                                          which runs there are, signed in its last line\n"
        "keys/ID.pem                                        public keys, to be compared with paper\n\n"
        "skrutinium mail reads this folder's zip, or your mailbox, and checks signatures and chain.\n"
    ),
    moment="{day} {month} {year}, {hour:02d}:{minute:02d}",
    thousands=",",
    decimal=".",
)

CZECH: Final = Wording(
    phases={"test": "TEST", "rehearsal": "ZKOUŠKA"},
    made_up="VYMYŠLENO",
    no_result="Toto nejsou výsledky voleb: nevysílejte je.",
    trial="ZKUŠEBNÍ ZPRÁVA",
    states={
        "interim": "průběžné výsledky",
        "complete": "zpracovány všechny zápisy; dosud nevyhlášeno",
        "final": "konečné výsledky",
        "certified": "ověřené výsledky",
        "corrected": "výsledky opravené po vyhlášení",
    },
    reasons={
        "begin": "Na datový kanál teď není spolehnutí. Od této chvíle posíláme výsledky e-mailem.",
        "release": "Na datový kanál není spolehnutí; toto jsou nejnovější výsledky.",
        "unchanged": "Na datový kanál není spolehnutí; od minulé zprávy se nic nezměnilo.",
        "end": "Datový kanál opět funguje: čtěte výsledky zase tam. Toto je poslední zpráva.",
        "test": "Tato zpráva jen zkouší cestu k vám. Datový kanál je tam, kde vždy; není třeba nic dělat.",
    },
    subjects={
        "begin": "vydání {number}",
        "release": "vydání {number}",
        "unchanged": "vydání {number} beze změny",
        "end": "datový kanál opět funguje · vydání {number}",
        "test": "vydání {number}",
    },
    nothing_yet="zatím bez výsledků",
    kinds={
        "municipal-council": "Zastupitelstva obcí",
        "ward-council": "Zastupitelstva městských částí a obvodů",
        "regional-council": "Zastupitelstva krajů",
        "senate": "Senát",
        "mayor": "Starostové",
        "referendum": "Referendum",
    },
    other_kind="Volby druhu {id}",
    release="Vydání {number}",
    changed="stav {moment}",
    corrected="Od minulé zprávy byl opraven zápis: některé číslo mohlo klesnout. Viz corrections/ v příloze.",
    protocols="Zpracované zápisy",
    turnout="Účast",
    decided="Rozhodnuto",
    of="{part} z {whole}",
    votes="hlasy",
    share="podíl",
    seats="mandáty",
    seats_so_far="Mandáty jsou jen z voleb, které jsou už rozhodnuty: {decided}.",
    unnamed="volební strana {id}",
    others="listiny neznámých stran",
    none_reported="Zatím není zpracován žádný zápis.",
    every="Další zpráva přijde nejpozději za {minutes} min, i když se nic nezmění.",
    files="V příloze",
    left_out="Vynecháno, protože soubor je větší, než bylo dohodnuto",
    part="Toto je část {part} z {parts}; každou lze číst samostatně.",
    check="Jak výsledky ověřit",
    check_text=(
        "Každý soubor je uveden i se svým SHA-256 v manifestu a každý manifest je podepsán. Program stačí nainstalovat jednou (pip install skrutinium); "
        "příkaz `skrutinium mail` přečte vaši schránku a vše ověří. Nevěřte odesílateli e-mailu: platí jen podpis."
    ),
    fingerprint="Otisk klíče; porovnejte jej s otiskem v přístupovém dopisu",
    second_site="Stejné výsledky se čtou i na druhém místě",
    call="Komu volat",
    note=(
        "Výsledky voleb, zaslané e-mailem, protože na datový kanál nebylo spolehnutí.\n\n"
        "{name}\nVydání {number}, {moment}\n{marks}\n"
        "event.xml, summary.xml a co leží vedle nich    nejnovější výsledky\n"
        "manifest/ČÍSLO.xml, manifest/ČÍSLO.xml.sig     co vydání ČÍSLO změnilo, se SHA-256; jeho podpis\n"
        "release/ČÍSLO/...                              dokumenty k onomu dřívějšímu vydání\n"
        "state.xml                                      které běhy existují, podepsáno posledním řádkem\n"
        "keys/ID.pem                                    veřejné klíče, porovnejte je s papírem\n\n"
        "skrutinium mail přečte tento zip nebo vaši schránku a ověří podpisy i návaznost.\n"
    ),
    moment="{day}. {number}. {year} {hour}:{minute:02d}",
    thousands="\N{NO-BREAK SPACE}",
    decimal=",",
)

POLISH: Final = Wording(
    phases={"test": "TEST", "rehearsal": "PRÓBA"},
    made_up="DANE ZMYŚLONE",
    no_result="To nie są wyniki wyborów: proszę ich nie nadawać.",
    trial="WIADOMOŚĆ PRÓBNA",
    states={
        "interim": "wyniki cząstkowe",
        "complete": "wpłynęły wszystkie protokoły; jeszcze nie ogłoszono",
        "final": "wyniki ostateczne",
        "certified": "wyniki potwierdzone",
        "corrected": "wyniki poprawione po ogłoszeniu",
    },
    reasons={
        "begin": "Na kanale danych nie można teraz polegać. Od tej chwili wyniki przychodzą pocztą elektroniczną.",
        "release": "Na kanale danych nie można polegać; to są najnowsze wyniki.",
        "unchanged": "Na kanale danych nie można polegać; od poprzedniej wiadomości nic się nie zmieniło.",
        "end": "Kanał danych znów działa: proszę czytać wyniki ponownie tam. To ostatnia wiadomość.",
        "test": "Ta wiadomość tylko sprawdza drogę do Państwa. Kanał danych jest tam, gdzie zawsze; nic nie trzeba robić.",
    },
    subjects={
        "begin": "wydanie {number}",
        "release": "wydanie {number}",
        "unchanged": "wydanie {number} bez zmian",
        "end": "kanał danych znów działa · wydanie {number}",
        "test": "wydanie {number}",
    },
    nothing_yet="jeszcze bez wyników",
    kinds={
        "municipal-council": "Rady gmin",
        "ward-council": "Rady dzielnic",
        "regional-council": "Sejmiki województw",
        "senate": "Senat",
        "mayor": "Wójtowie, burmistrzowie i prezydenci miast",
        "referendum": "Referendum",
    },
    other_kind="Wybory rodzaju {id}",
    release="Wydanie {number}",
    changed="stan na {moment}",
    corrected="Od poprzedniej wiadomości poprawiono protokół: jakaś liczba mogła zmaleć. Zob. corrections/ w załączniku.",
    protocols="Protokoły",
    turnout="Frekwencja",
    decided="Rozstrzygnięte",
    of="{part} z {whole}",
    votes="głosy",
    share="udział",
    seats="mandaty",
    seats_so_far="Mandaty pochodzą tylko z wyborów już rozstrzygniętych: {decided}.",
    unnamed="komitet {id}",
    others="listy nieznanych komitetów",
    none_reported="Nie wpłynął jeszcze żaden protokół.",
    every="Następna wiadomość przyjdzie najpóźniej za {minutes} min, także gdy nic się nie zmieni.",
    files="W załączniku",
    left_out="Pominięto, bo plik jest większy, niż uzgodniono",
    part="To część {part} z {parts}; każdą można czytać osobno.",
    check="Jak sprawdzić wyniki",
    check_text=(
        "Każdy plik jest wymieniony wraz z SHA-256 w manifeście, a każdy manifest jest podpisany. Program wystarczy zainstalować raz (pip install skrutinium); "
        "polecenie `skrutinium mail` czyta Państwa skrzynkę i sprawdza wszystko. Proszę nie ufać nadawcy poczty: liczy się tylko podpis."
    ),
    fingerprint="Odcisk klucza; proszę porównać go z odciskiem w liście o dostępie",
    second_site="Te same wyniki można czytać w drugim miejscu",
    call="Do kogo dzwonić",
    note=(
        "Wyniki wyborów, przysłane pocztą elektroniczną, bo na kanale danych nie można było polegać.\n\n"
        "{name}\nWydanie {number}, {moment}\n{marks}\n"
        "event.xml, summary.xml i to, co leży obok       najnowsze wyniki\n"
        "manifest/NUMER.xml, manifest/NUMER.xml.sig      co zmieniło wydanie NUMER, z SHA-256; jego podpis\n"
        "release/NUMER/...                               dokumenty z tamtego wcześniejszego wydania\n"
        "state.xml                                       jakie są przebiegi, podpisane ostatnim wierszem\n"
        "keys/ID.pem                                     klucze publiczne, do porównania z papierem\n\n"
        "skrutinium mail czyta ten zip albo Państwa skrzynkę i sprawdza podpisy oraz ciągłość.\n"
    ),
    moment="{day}.{number:02d}.{year}, {hour}:{minute:02d}",
    thousands="\N{NO-BREAK SPACE}",
    decimal=",",
)

WORDINGS: Final[Mapping[Language, Wording]] = {"en": ENGLISH, "cs": CZECH, "pl": POLISH}
