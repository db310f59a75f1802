"""``subscriber``: the media organisations that may read: asked, decided, changed, revoked, listed."""

import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from skrutinium_server.authority.access_list import export as export_list
from skrutinium_server.authority.errors import LetterError, SubscriberError
from skrutinium_server.authority.examining import Application, application_of
from skrutinium_server.authority.importing import LARGEST, moment, read_rows, write_rows
from skrutinium_server.authority.letter import SiteFacts, lacking
from skrutinium_server.authority.letters import write_letter
from skrutinium_server.authority.model import Approved, State, SubscribersImported
from skrutinium_server.authority.persons import Authority
from skrutinium_server.authority.registering import Registry
from skrutinium_server.authority.state import known_subscriber
from skrutinium_server.commands.arguments import SITE, WHO
from skrutinium_server.commands.subscriber_views import check, list_subscribers, show, simulate
from skrutinium_server.election.errors import ElectionError
from skrutinium_server.process.registers import calendar_of
from skrutinium_server.process.site import Site


class Moment(click.ParamType[datetime.datetime]):
    """A day or a time, as :func:`moment` reads it."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime.datetime:
        """Turn text into a time, aware, UTC."""
        if isinstance(value, datetime.datetime):
            return value
        try:
            return moment(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


REASON = click.option("--reason", required=True, help="Why; it is recorded, and the subscriber is told.")
LATE = click.option(
    "--late", metavar="REASON", help="Take the request after the closing date, for this reason."
)
ID = click.argument("id")


@click.group()
def subscriber() -> None:
    """Register media organisations and the ranges they read from."""


for view in (list_subscribers, show, check, simulate):
    subscriber.add_command(view)


@subscriber.command("add")
@SITE
@ID
@click.option("--name", required=True, help="The organisation.")
@click.option("--email", required=True, help="Whom to write to.")
@click.option("--telephone", required=True, help="Whom to call, in the international form: +420 222 111 333.")
@click.option(
    "--live", multiple=True, metavar="RANGE", help="A range that reads everything; may be repeated."
)
@click.option("--test", multiple=True, metavar="RANGE", help="A range for tests only; may be repeated.")
@click.option(
    "--event", "events", multiple=True, help="An event it reads; may be repeated. Unless given, every event."
)
@click.option(
    "--until", type=Moment(), help="Nothing is read from then on: 2030-12-31 (all of that day), or a time."
)
@LATE
@WHO
def add(
    site: Site,
    id: str,
    name: str,
    email: str,
    telephone: str,
    live: tuple[str, ...],
    test: tuple[str, ...],
    events: tuple[str, ...],
    until: datetime.datetime | None,
    late: str | None,
    who: str | None,
) -> None:
    """Take the request of the organisation that is to be known as ID. It reads nothing before it is approved."""
    application = Application(id, name, email, telephone, live, test, events, until)
    registry = _registry(site, who)
    registry.request(application, late)
    click.echo(
        f"Registered {id}, pending. Decide with: skrutinium-server subscriber approve {site.root} {id}"
    )
    _warn_of_events(site, registry.authority.state(), id)


@subscriber.command("import")
@SITE
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@LATE
@WHO
def import_file(site: Site, file: Path, late: str | None, who: str | None) -> None:
    """Take all requests of a CSV FILE, or none when a row is refused."""
    with file.open("rb") as stream:
        data = stream.read(LARGEST + 1)
    registry = _registry(site, who)
    entry = registry.request_all(file.name, data, read_rows(file.name, data), late)
    assert isinstance(entry.event, SubscribersImported)
    ids = [one.id for one in entry.event.registrations]
    click.echo(f"Registered {len(ids)}, pending: {' '.join(ids)}")
    state = registry.authority.state()
    for id in ids:
        _warn_of_events(site, state, id)


@subscriber.command("approve")
@SITE
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@WHO
def approve(site: Site, ids: tuple[str, ...], who: str | None) -> None:
    """Grant requests: the ranges read from now on, and each subscriber has a letter."""
    registry = _registry(site, who)
    for id in ids:
        before = registry.authority.state()
        registry.approve(id)
        click.echo(f"Approved {id}.")
        _tell(site, registry.authority, before, id)


@subscriber.command("decline")
@SITE
@ID
@REASON
@WHO
def decline(site: Site, id: str, reason: str, who: str | None) -> None:
    """Refuse a request."""
    _registry(site, who).decline(id, reason)
    click.echo(f"Declined {id}.")


@subscriber.command("change")
@SITE
@ID
@click.option("--name", help="The organisation.")
@click.option("--email", help="Whom to write to.")
@click.option("--telephone", help="Whom to call.")
@click.option("--live", multiple=True, metavar="RANGE", help="All live ranges from now on.")
@click.option("--test", multiple=True, metavar="RANGE", help="All test ranges from now on.")
@click.option("--no-live", is_flag=True, help="No live range any more.")
@click.option("--no-test", is_flag=True, help="No test range any more.")
@click.option("--event", "events", multiple=True, help="All events from now on.")
@click.option("--every-event", is_flag=True, help="Every event from now on.")
@click.option("--until", type=Moment(), help="Nothing is read from then on.")
@click.option("--no-end", is_flag=True, help="No end any more.")
@REASON
@LATE
@WHO
def change(site: Site, id: str, reason: str, late: str | None, who: str | None, **told: Any) -> None:
    """Change what is registered: what is named replaces what was, the rest stays."""
    for option, none in (
        ("live", "no_live"),
        ("test", "no_test"),
        ("events", "every_event"),
        ("until", "no_end"),
    ):
        if told.pop(none):
            if told[option]:
                raise click.UsageError(f"--{none.replace('_', '-')} contradicts what is named beside it.")
            told[option] = None if option == "until" else ()
        elif not told[option]:
            del told[option]
    registry = _registry(site, who)
    before = registry.authority.state()
    known = application_of(known_subscriber(before, id).registration)
    changed = {name: value for name, value in told.items() if value is not None or name == "until"}
    registry.change(msgspec.structs.replace(known, **changed), reason, late)
    click.echo(f"Changed {id}.")
    _tell(site, registry.authority, before, id)
    _warn_of_events(site, registry.authority.state(), id)


@subscriber.command("revoke")
@SITE
@ID
@REASON
@WHO
def revoke(site: Site, id: str, reason: str, who: str | None) -> None:
    """Take access away: connections of its ranges are cut within a second."""
    registry = _registry(site, who)
    before = registry.authority.state()
    registry.revoke(id, reason)
    click.echo(f"Revoked {id}.")
    _tell(site, registry.authority, before, id)


@subscriber.command("export")
@SITE
@click.option(
    "--csv",
    "as_csv",
    is_flag=True,
    help="Print the registrations as CSV, for another site, and write nothing.",
)
def export(site: Site, as_csv: bool) -> None:
    """Write access.toml from what is recorded; every change does so by itself."""
    authority = Authority(site.root)
    if as_csv:
        click.echo(write_rows(authority.state()), nl=False)
    else:
        _export(site, authority, None)


@subscriber.command("letter")
@SITE
@ID
def letter(site: Site, id: str) -> None:
    """Make the access letter of ID anew; every decision and change does so by itself."""
    authority = Authority(site.root)
    click.echo(f"Letter: {_letter(site, authority, id)}")


def _registry(site: Site, who: str | None) -> Registry:
    return Registry(Authority(site.root, who=who), site.all_settings().subscribers)


def _tell(site: Site, authority: Authority, before: State, id: str) -> None:
    """What follows from a change: the access list first, then the letter."""
    standing = known_subscriber(authority.state(), id).standing
    decided_before = id in before.subscribers and before.subscribers[id].standing
    if not isinstance(standing, Approved) and not isinstance(decided_before, Approved):
        return
    _export(site, authority, before)
    try:
        path = _letter(site, authority, id)
    except (LetterError, ElectionError, OSError) as error:
        raise LetterError(
            f"{error}\nThe change is recorded and in force; only the letter is missing. "
            f"Make it with: skrutinium-server subscriber letter {site.root} {id}",
            code=None if isinstance(error, OSError) else error.code,
        ) from error
    click.echo(f"Letter: {path}")


def _export(site: Site, authority: Authority, before: State | None) -> None:
    try:
        done = export_list(site.access, authority, site.all_settings().subscribers, before)
    except OSError as error:
        raise SubscriberError(
            f"{site.access} could not be written ({error.strerror or error}): the list before it is still in force. "
            f"What was decided is recorded; make room, then: skrutinium-server subscriber export {site.root}",
            code="access-list-not-written",
        ) from error
    if done.kept is not None:
        click.echo(
            f"{site.access.name} held what nobody recorded; it is replaced, and kept as {done.kept.name}.",
            err=True,
        )
    click.echo(
        f"{site.access.name} is {'now version' if done.written else 'as recorded, version'} {done.number}."
    )


def _letter(site: Site, authority: Authority, id: str) -> Path:
    settings = site.all_settings().letter
    calendar = calendar_of(site)
    windows = {event: calendar.windows_of(event) for event in site.events()}
    facts = SiteFacts(site.signer().fingerprint, site.events(), windows)
    told = known_subscriber(authority.state(), id)
    if isinstance(told.standing, Approved) and (left_out := lacking(settings)):
        click.echo(
            f"Note: the letter names no {' and no '.join(left_out)}; set them under [letter] in {site.root / 'site.toml'}, "
            f"then: skrutinium-server subscriber letter {site.root} {id}",
            err=True,
        )
    return write_letter(site.root / "letters", told, facts, settings, authority.now())


def _warn_of_events(site: Site, state: State, id: str) -> None:
    strange = [
        event for event in known_subscriber(state, id).registration.events if event not in site.events()
    ]
    if strange:
        click.echo(
            f"Note: the site has no definition of {', '.join(strange)} yet (registered by {id}).", err=True
        )
