"""``notice``: what all readers are told: incidents, planned changes, a second site."""

import datetime

import click

from skrutinium_server.commands.arguments import SITE, WHO
from skrutinium_server.process import noticing
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.noticing import NoticeError
from skrutinium_server.process.site import Site


@click.group()
def notice() -> None:
    """Tell all readers of incidents, planned changes and a second site."""


@notice.command("incident")
@SITE
@click.argument("text")
@click.option("--id", "named", help="Id of the incident; unless given, the time.")
@WHO
def incident(site: Site, text: str, named: str | None, who: str | None) -> None:
    """An incident has begun: TEXT says what readers have to know."""
    now = wall_time()
    id, change = noticing.begin(text, now, named)
    noticing.tell(site, change, "incident", text, who, now)
    click.echo(f"Told of the incident {id}.")


@notice.command("end")
@SITE
@click.argument("id", required=False)
@WHO
def end(site: Site, id: str | None, who: str | None) -> None:
    """The incident ID is over; without ID the only one that goes on."""
    now = wall_time()
    noticing.tell(site, noticing.end(id, now), "end", id or "the incident that went on", who, now)
    click.echo("Told that the incident is over.")


@notice.command("planned")
@SITE
@click.argument("time")
@click.argument("text")
@WHO
def planned(site: Site, time: str, text: str, who: str | None) -> None:
    """A change is planned at TIME (with its zone, such as 2030-10-01T20:00:00Z): TEXT says what readers have to do."""
    now = wall_time()
    try:
        moment = datetime.datetime.fromisoformat(time)
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() is None or moment <= now:
        raise NoticeError(
            f"The time is {time!r}; expected one to come, with its zone, such as 2030-10-01T20:00:00Z."
        )
    noticing.tell(site, noticing.plan(moment, text), "planned", text, who, now)
    click.echo(f"Told of the change planned at {moment.isoformat()}.")


@notice.command("second-site")
@SITE
@click.argument("address")
@click.argument("fingerprint")
@WHO
def second_site(site: Site, address: str, fingerprint: str, who: str | None) -> None:
    """The same releases are read at ADDRESS too, signed with the key of that FINGERPRINT."""
    now = wall_time()
    noticing.tell(site, noticing.second_site(address, fingerprint), "second-site", address, who, now)
    click.echo(f"Told of the second site {address}.")
