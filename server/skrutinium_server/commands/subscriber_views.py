"""``subscriber list``, ``show``, ``check`` and ``simulate``: what is registered, and what the feed makes of it."""

import datetime
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from skrutinium_server.authority.access_list import differences, granted, read_list
from skrutinium_server.authority.errors import SubscriberError
from skrutinium_server.authority.examining import application_of, examine
from skrutinium_server.authority.letters import newest
from skrutinium_server.authority.model import (
    Approved,
    Decision,
    Declined,
    Pending,
    Revoked,
    State,
    Subscriber,
)
from skrutinium_server.authority.persons import Authority
from skrutinium_server.authority.ranges import networks, shown
from skrutinium_server.authority.state import known_subscriber, stand
from skrutinium_server.commands.arguments import SITE
from skrutinium_server.feed.access import Grant, load_access, plain_address
from skrutinium_server.feed.permission import permit
from skrutinium_server.process.site import Site
from skrutinium_server.release.store.reading import StoreReader

_COLOURS = {"pending": "yellow", "approved": "green", "declined": "red", "revoked": "red"}


@click.command("list")
@SITE
def list_subscribers(site: Site) -> None:
    """List all subscribers with their ranges and how they stand."""
    state = Authority(site.root).state()
    # A range that is cut off is read wrongly: the names give way.
    table = Table(
        "subscriber", Column("ranges", no_wrap=True), "events", "until", "standing", show_lines=True
    )
    for one in sorted(state.subscribers.values(), key=lambda one: one.id):
        told = one.registration
        word = stand(one.standing)
        ranges = [f"live {shown(network)}" for network in networks(told.live)]
        ranges += [f"test {shown(network)}" for network in networks(told.test)]
        table.add_row(
            f"[bold]{told.id}[/]\n{escape(told.name)}",
            "\n".join(ranges),
            "\n".join(told.events) or "all",
            "no end" if told.until is None else f"{told.until:%Y-%m-%d %H:%M} UTC",
            f"[{_COLOURS[word]}]{word}[/]",
        )
    Console().print(table)


@click.command("show")
@SITE
@click.argument("id")
def show(site: Site, id: str) -> None:
    """Say everything that is recorded of one subscriber."""
    one = known_subscriber(Authority(site.root).state(), id)
    table = Table.grid(padding=(0, 3))
    for label, text in _facts(one, newest(site.root / "letters", id)):
        table.add_row(f"[bold]{label}[/]", escape(text))
    Console().print(table)


@click.command("check")
@SITE
def check(site: Site) -> None:
    """Look at every registration again, and compare access.toml with what is recorded."""
    authority = Authority(site.root)
    state = authority.state()
    found = list(_findings(site, state, authority.now()))
    if found:
        raise SubscriberError("Not all is as it should be:", found, code="subscriber-check")
    click.echo(f"{len(state.subscribers)} subscribers: sound. access.toml is as recorded.")


class _Time(click.DateTime):
    """A time of UTC, such as 2030-10-05T14:00:00Z."""

    name = "TIME"

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ"])

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime.datetime:
        """Turn text into an aware time."""
        return super().convert(value, param, ctx).replace(tzinfo=datetime.UTC)


@click.command("simulate")
@SITE
@click.argument("address")
@click.option("--at", type=_Time(), help="Ask for this time instead of now, with the runs as they are.")
def simulate(site: Site, address: str, at: datetime.datetime | None) -> None:
    """Say what the feed would answer to ADDRESS: whose range it is, and which runs it reads."""
    now = at or datetime.datetime.now(datetime.UTC)
    plain = plain_address(address)
    if plain is None:
        raise SubscriberError(f"{address!r} is no address; expected one such as 198.51.100.7 or 2001:db8::1.")
    listed = load_access(site.access)
    grant = listed.find(address)
    click.echo(f"{plain}, access.toml version {listed.number}, {now:%Y-%m-%d %H:%M:%S} UTC")
    if grant is None:
        click.echo("Refused: in no range that may read." + _near(Authority(site.root).state(), str(plain)))
        return
    _print_answers(site, grant, now)


def _print_answers(site: Site, grant: Grant, now: datetime.datetime) -> None:
    until = "no end" if grant.until is None else f"until {grant.until:%Y-%m-%d %H:%M:%S} UTC"
    events = "every event" if grant.events is None else f"events {' '.join(sorted(grant.events))}"
    click.echo(
        f"{grant.subscriber} ({grant.name}): {grant.kind} range {shown(grant.network)}, {events}, {until}"
    )
    _, runs = StoreReader(site.store).state()
    allowed = permit(grant, runs, now)
    if allowed.barred is not None:
        click.echo(f"Refused: {allowed.barred.message}")
        return
    if not runs:
        click.echo("Inside. No run was opened yet, so there is nothing to read.")
        return
    table = Table("event", "run", "phase", "state", "answer")
    for run in runs:
        refusal = allowed.reads(run.event, run.id)
        answer = "reads it" if refusal is None else f"{refusal.code}: {refusal.message}"
        table.add_row(run.event, run.id, run.phase, "open" if run.open else "closed", answer)
    Console().print(table)


def _near(state: State, address: str) -> str:
    """Whose registration holds an address that may not read."""
    (asked,) = networks((address,))
    for one in state.subscribers.values():
        for network in networks((*one.registration.live, *one.registration.test)):
            if network.version == asked.version and network.overlaps(asked):
                return f" {shown(network)} belongs to {one.id} ({one.registration.name}), which is {stand(one.standing)}."
    return ""


def _facts(one: Subscriber, letters: int) -> Iterator[tuple[str, str]]:
    told = one.registration
    yield "id", told.id
    yield "organisation", told.name
    yield "e-mail", told.email
    yield "telephone", told.telephone
    yield "live ranges", ", ".join(map(shown, networks(told.live))) or "none"
    yield "test ranges", ", ".join(map(shown, networks(told.test))) or "none"
    yield "events", ", ".join(told.events) or "every event"
    yield "until", "no end" if told.until is None else f"{told.until:%Y-%m-%d %H:%M} UTC"
    late = f", late: {one.late}" if one.late else ""
    yield "requested", f"{one.requested:%Y-%m-%d %H:%M} UTC{late}"
    match one.standing:
        case Pending():
            yield "standing", "pending"
        case Approved(decision):
            yield "standing", f"approved {_decision(decision)}"
        case Declined(decision, reason):
            yield "standing", f"declined {_decision(decision)}: {reason}"
        case Revoked(approved, decision, reason):
            yield "standing", f"revoked {_decision(decision)}: {reason} (approved {_decision(approved)})"
    yield "changes", str(one.changes)
    yield "letters", str(letters)


def _decision(decision: Decision) -> str:
    return f"{decision.time:%Y-%m-%d %H:%M} UTC by {decision.who}"


def _findings(site: Site, state: State, now: datetime.datetime) -> Iterator[str]:
    settings = site.all_settings().subscribers
    for one in sorted(state.subscribers.values(), key=lambda one: one.id):
        if one.holds_ranges:
            try:
                examine(application_of(one.registration), state, settings, now)
            except SubscriberError as error:
                yield from (f"{one.id}: {fault}" for fault in error.faults)
        if isinstance(one.standing, Approved) and not newest(site.root / "letters", one.id):
            yield f"{one.id}: approved, but has no letter; make it with: subscriber letter {site.root} {one.id}"
    try:
        _, listed = read_list(site.access.read_bytes())
    except (OSError, ValueError) as error:
        yield f"access.toml cannot be read ({error}); write it with: subscriber export {site.root}"
        return
    different = list(differences(listed, granted(state, settings)))
    yield from different
    if different:
        yield f"to put access.toml right: subscriber export {site.root}"
