"""The pages: what each template is given. Pure but for the templates, which are read once."""

import datetime
import functools
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from skrutinium_server.archive.public import pictures, words
from skrutinium_server.archive.public.catalogue import Catalogue
from skrutinium_server.archive.public.model import Change, Contest, Correction, District, Precinct, Unit
from skrutinium_server.archive.public.protocols import Version
from skrutinium_server.election.law import law_ids, load_law
from skrutinium_server.release.store.model import Manifest, Run

_MOST_COMMITTEES = 15
_MOST_CORRECTIONS = 10
_LARGEST_PICTURE = 400
"""More seats than this are told by numbers only."""


@dataclass(frozen=True, slots=True)
class Night:
    """What every page tells of the whole: the run, the marks that it must carry, the fingerprint of its key."""

    run: Run
    made_up: bool
    fingerprint: str

    @property
    def marks(self) -> list[str]:
        """Sentences that say why this is no election result; none for a live run of a real election."""
        phase = words.MARKS.get(self.run.phase, "" if self.run.phase == "live" else self.run.phase.upper())
        return [mark for mark in (phase, words.MADE_UP if self.made_up else "") if mark]


def zone_of(law: str) -> datetime.tzinfo:
    """The time zone of a law; UTC where this version does not know the law."""
    return ZoneInfo(load_law(law).time_zone) if law in law_ids() else datetime.UTC


class Pages:
    """Renders pages of one run; ``catalogue`` may go on growing, ``contest`` gets what is known of one now."""

    def __init__(self, night: Night, catalogue: Catalogue, contest: Callable[[str], Contest]) -> None:
        self._zone = zone_of(night.run.law)
        self._contest = contest
        environment = Environment(
            loader=PackageLoader("skrutinium_server.archive.public"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(
            grouped=words.grouped,
            field=words.field,
            moment=functools.partial(words.moment, zone=self._zone),
            day=words.day,
        )
        environment.globals.update(
            share=words.share,
            done=words.done,
            bar=pictures.bar,
            night=night,
            catalogue=catalogue,
            words=words,
            seats_picture=seats_picture,
            changed=self._changed,
        )
        self._environment = environment
        self._catalogue = catalogue

    def _page(self, template: str, root: str, **values: Any) -> bytes:
        return self._environment.get_template(template).render(root=root, **values).encode()

    def index(
        self, event: Unit, manifest: Manifest, history: Sequence[tuple[int, int]], archive: int | None
    ) -> bytes:
        """The start page."""
        points = pictures.thinned(pictures.awake(history))
        until = words.moment(manifest.time, self._zone)
        label = f"Protocols reported over time: {manifest.reported} of {manifest.expected} by {until}"
        return self._page(
            "index.html",
            "",
            unit=event,
            manifest=manifest,
            timeline=pictures.timeline(points, manifest.expected, label),
            began=self._clock(points[0][0]) if points else "",
            until=self._clock(points[-1][0]) if points else "",
            archive=archive,
            corrections=self._catalogue.newest_corrections()[:_MOST_CORRECTIONS],
            most=_MOST_COMMITTEES,
        )

    def area(self, unit: Unit) -> bytes:
        """``area/ID.html``."""
        places = [row for row in unit.areas if row.id in self._catalogue.areas]
        above = self._catalogue.above(unit.id)[:-1]
        return self._page("area.html", "../", unit=unit, places=places, above=above, most=_MOST_COMMITTEES)

    def contest(self, contest: Contest) -> bytes:
        """``contest/ID.html``."""
        above = self._catalogue.above(self._catalogue.homes.get(contest.id))
        polls = self._catalogue.polls(contest)
        return self._page("contest.html", "../", contest=contest, above=above, polls=polls)

    def precinct(self, precinct: Precinct, contests: dict[str, Contest], versions: list[Version]) -> bytes:
        """``precinct/ID.html``; ``contests`` holds those that people vote in there."""
        first = precinct.protocols[0].contest if precinct.protocols else None
        above = self._catalogue.above(self._catalogue.homes.get(first)) if first else []
        return self._page(
            "precinct.html",
            "../",
            precinct=precinct,
            contests=contests,
            versions=versions,
            above=above,
            corrections=self._catalogue.corrections_of(precinct.id),
        )

    def corrections(self, manifest: Manifest) -> bytes:
        """``corrections.html``."""
        return self._page(
            "corrections.html", "", manifest=manifest, corrections=self._catalogue.newest_corrections()
        )

    def contests(self, manifest: Manifest) -> bytes:
        """``contests.html``: every contest by name."""
        rows = [
            {
                "id": row.id,
                "kind": row.kind,
                "name": row.name,
                "letter": _letter(row.name),
                "home": self._home(row.id),
            }
            for row in self._catalogue.contests.values()
        ]
        rows.sort(key=lambda row: (row["letter"], _plain(row["name"]), row["id"]))
        return self._page("contests.html", "", manifest=manifest, rows=rows)

    def _home(self, contest: str) -> str:
        above = self._catalogue.above(self._catalogue.homes.get(contest))
        return above[-1].name if above else ""

    def check(self, manifest: Manifest) -> bytes:
        """``check.html``: how an outsider checks it all."""
        return self._page("check.html", "", manifest=manifest)

    def _clock(self, second: int) -> str:
        return f"{datetime.datetime.fromtimestamp(second, self._zone):%H:%M %Z}"

    def _changed(self, correction: Correction, change: Change) -> str:
        """What one number of a correction is, with the name that it had on the ballot."""
        if change.field:
            return words.field(change.field)
        contest = self._contest(correction.contest)
        district = self._catalogue.district(correction.contest, correction.precinct)
        if change.list in (None, 0):
            person = contest.persons.get((district, change.candidate or 0))
            if not change.candidate:
                return "Votes of all candidates"
            return f"Candidate {change.candidate}" + (f", {person.name}" if person and person.name else "")
        one = contest.names.get((district, change.list))
        told = f"List {change.list}" + (f", {one.name}" if one and one.name else "")
        if change.candidate is None:
            return told
        name = one.named.get(change.candidate) if one else None
        return f"{told}: candidate {change.candidate}" + (f", {name}" if name else "")

    def style(self) -> bytes:
        """``style.css``."""
        loader = self._environment.loader
        assert loader is not None
        return loader.get_source(self._environment, "style.css")[0].encode()


def seats_picture(district: District, label: str) -> Markup:
    """The seats of one district as a half circle, lists in the order of the ballot."""
    groups = [
        (one.name or f"List {one.number}", one.seats, one.number - 1) for one in district.lists if one.seats
    ]
    if sum(count for _, count, _ in groups) + (district.vacant or 0) > _LARGEST_PICTURE:
        return Markup("")
    told = ", ".join(f"{name} {count}" for name, count, _ in groups)
    return pictures.hemicycle(groups, district.vacant or 0, f"{label}: {told}")


def _plain(name: str) -> str:
    """A name to sort by: without regard to case and accents."""
    return "".join(
        one for one in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(one)
    )


def _letter(name: str) -> str:
    first = _plain(name)[:1].upper()
    return first if first.isalpha() else "#"
