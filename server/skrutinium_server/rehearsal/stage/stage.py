"""A site under the hand of a rehearsal: its processes, the addresses at which it is read, and all that can be done on it.

What is done is real: other protocols, other bytes, connections that end, mail that is sent. Source: requirement M6.
"""

import asyncio
import contextlib
import datetime
import functools
import inspect
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, Literal, ParamSpec, Self, TypeVar

import msgspec
from msgspec import Meta

from skrutinium.testing.outlet import Outlet
from skrutinium_server.election.law import Law, load_law
from skrutinium_server.intake.model import Protocol, TakenOver
from skrutinium_server.process import noticing
from skrutinium_server.process.clock import WallTime, wall_time
from skrutinium_server.process.registers import publish_registers
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.made_up import made_up_correction, taken_over
from skrutinium_server.rehearsal.stage.acts import Act, acts_path, write_act
from skrutinium_server.rehearsal.stage.changes import lowered, renamed
from skrutinium_server.rehearsal.stage.counted import Counted, Key
from skrutinium_server.rehearsal.stage.errors import StageError
from skrutinium_server.rehearsal.stage.late import Late
from skrutinium_server.rehearsal.stage.mail import StageMail
from skrutinium_server.rehearsal.stage.processes import Processes, noticed, published
from skrutinium_server.rehearsal.stage.skew import skewed
from skrutinium_server.release.store.model import Notices
from skrutinium_server.release.store.notices import NoticesReader

P = ParamSpec("P")
R = TypeVar("R")
Which = Literal["first", "second", "both"]
Count = Annotated[int, Meta(ge=1, le=100_000)]
Status = Annotated[int, Meta(ge=400, le=599)]
Seconds = Annotated[float, Meta(ge=0, le=3_600)]
WholeSeconds = Annotated[int, Meta(ge=0, le=3_600)]
Rate = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Skew = Annotated[int, Meta(ge=-86_400, le=86_400)]
Text = Annotated[str, Meta(min_length=1, max_length=500)]

REASON: Final = "This is a test."
AUTHORITY: Final = "Made-up commission"
COURT: Final = "Made-up court"
_WEEKS_LATER: Final = datetime.timedelta(weeks=3)
_REMEMBERED: Final = 10
"""So many incidents that are over stay in the notices."""
_acts: list[str] = []


def _act(
    method: Callable[Concatenate["Stage", P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate["Stage", P], Coroutine[Any, Any, R]]:
    """Done by somebody: it is written down once it is done, with the release that shows it."""
    signature = inspect.signature(method)

    async def done(stage: "Stage", /, *args: P.args, **kwargs: P.kwargs) -> R:
        result = await method(stage, *args, **kwargs)
        told = signature.bind(stage, *args, **kwargs)
        told.apply_defaults()
        arguments = {name: value for name, value in told.arguments.items() if name != "self"}
        await stage.write_down(method.__name__, arguments, result if isinstance(result, int) else None)
        return result

    functools.update_wrapper(done, method)
    _acts.append(method.__name__)
    return done


class Stage:
    """The stage of ``site``, to be used as ``async with``; then :meth:`open` a run, or go on with one by :meth:`take_up`.

    ``front`` is where readers reach the feed, ``second`` where they reach the second site once there is one. ``cutting``: whether
    releases are cut by themselves; ``feeds``: processes of the feed; ``who`` gives the commands; ``mail_to``: ids of those who get crisis mail.
    ``served``: an act that a release shows returns once the feed serves it.
    """

    def __init__(
        self,
        site: Site,
        front: Outlet | None = None,
        second: Outlet | None = None,
        *,
        feeds: int = 1,
        cutting: bool = True,
        who: str = "stage",
        mail_to: Sequence[str] = ("newsroom",),
        environment: Mapping[str, str] | None = None,
        served: bool = True,
        clock: WallTime = wall_time,
    ) -> None:
        self.site = site
        self.front = front or Outlet()
        self.second = second or Outlet()
        self.run: str | None = None
        """The run on which acts are done."""
        self.event = ""
        self.release = 0
        """The newest release of the run that the feed was seen to serve."""
        self.faults: list[str] = []
        """What goes wrong on the way to readers at this moment."""
        self.incidents: dict[str, str] = {}
        """The incidents that readers were told of and that go on: their ids in the notices, by the ids given here."""
        self.mail: StageMail | None = None
        self._who = who
        self._mail_to = tuple(mail_to)
        self._clock = clock
        self._served = served
        self._processes = Processes(site, feeds, environment, cutting=cutting)
        self._ending = contextlib.AsyncExitStack()
        self._asking = asyncio.Lock()
        self._has_second = False
        self._counted: Counted
        self._law: Law
        self._late = Late()

    async def __aenter__(self) -> Self:
        """Start the processes, and let readers in."""
        try:
            self._ending.push_async_callback(self._processes.stop)
            self.address = await self._processes.start()
            self.fingerprint = (await asyncio.to_thread(self.site.signer)).fingerprint
            await self.front.open(self.address)
            self._ending.push_async_callback(self.front.close)
        except BaseException:
            await self._ending.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything."""
        await self._ending.aclose()

    @property
    def url(self) -> str:
        """The address of the first site."""
        return self.front.url

    # ------------------------------------------------------------------ runs and commands
    async def open(self, run: str, phase: Literal["test", "rehearsal"] = "rehearsal", **told: Any) -> int:
        """Open a new run of the site's event; the number of its first release. ``told`` as in the command ``open``."""
        await self.ask(do="open", run=run, phase=phase, **{"event": None, "not_before": None} | told)
        return await self._shown(1)

    async def take_up(self, run: str) -> None:
        """Go on with a run that is open already."""
        record = await asyncio.to_thread(self.site.run, run)
        if record.phase == "live":
            raise StageError(
                f"{run!r} is a live run: nothing is rehearsed on it. Open a run of the phase rehearsal."
            )
        self.run, self.event, self.release = run, record.event, 0
        self._law = await asyncio.to_thread(load_law, record.law)
        self._counted = Counted(self.site.ledger(run))
        self._late = Late()

    async def ask(self, **request: Any) -> dict[str, Any]:
        """Carry out a command of the counting process: about the run of the stage, and by its hand, unless told otherwise.

        Whoever replays a night here asks through this: what is held back does not come in. Raises what the counting process refuses.
        """
        async with self._asking:
            request = {"run": self.run, "by": self._who} | request
            ours = request["run"] == self.run
            if request["do"] == "take" and ours:
                request["records"] = self._late.through(request["records"])
            answer = await self._processes.ask(request)
        if request["do"] == "open":
            await self.take_up(str(request["run"]))
        return answer

    async def cut(self) -> int:
        """A release of everything that is in, now; its number."""
        answer = await self.ask(do="cut")
        return await self._shown(int(answer["releases"]["skrutinium"]))

    async def _shown(self, number: int) -> int:
        """Wait until the feed serves a release of the run."""
        if self._served:
            self.release = max(self.release, await published(self.address, self.event, str(self.run), number))
        return number

    @property
    def late(self) -> int:
        """How many protocols are held back at this moment."""
        return len(self._late.held)

    async def write_down(self, name: str, arguments: dict[str, Any], release: int | None = None) -> None:
        """Put an act into the list of the run's acts."""
        if self.run is not None:
            act = Act(self._clock(), name, arguments, release)
            await asyncio.to_thread(write_act, acts_path(self.site.root, self.run), act)

    async def protocols(self) -> Mapping[Key, Protocol]:
        """The protocols that count in the run now, in the order in which they came in."""
        if self.run is None:
            raise StageError("No run is open on this stage. Open one first.")
        await asyncio.to_thread(self._counted.read)
        return self._counted.protocols

    # ------------------------------------------------------------------ results
    @_act
    async def correct(
        self,
        precinct: str | None = None,
        contest: str | None = None,
        reason: str = "recount",
        authority: str = AUTHORITY,
    ) -> int:
        """Replace a protocol by one with fewer votes; the number of the release with it.

        That of the precinct and contest, the first that came in unless told; raises :class:`StageError` where there is none.
        """
        key = await self._one(precinct, contest)
        return await self._replace((key,), made_up_correction, reason, authority)

    @_act
    async def lower(
        self,
        precinct: str | None = None,
        contest: str | None = None,
        reason: str = "commission-mistake",
        authority: str = AUTHORITY,
    ) -> int:
        """Replace a protocol by one with half of its voters and votes."""
        key = await self._one(precinct, contest)
        return await self._replace((key,), lowered, reason, authority)

    @_act
    async def recount(self, contest: str | None = None, authority: str = AUTHORITY) -> int:
        """Replace all protocols of a contest that are in, at once: that with the most of them unless told."""
        of: dict[str, list[Key]] = {}
        for key in await self.protocols():
            of.setdefault(key[1], []).append(key)
        chosen = contest if contest is not None else max(of, key=lambda one: len(of[one]), default="")
        if chosen not in of:
            raise StageError(
                f"No protocol of the contest {contest or 'that is the largest'} is in yet; there is nothing to recount."
            )
        return await self._replace(of[chosen], made_up_correction, "recount", authority)

    async def _one(self, precinct: str | None, contest: str | None) -> Key:
        for key in await self.protocols():
            if precinct in (None, key[0]) and contest in (None, key[1]):
                return key
        told = f"precinct {precinct or 'any'}, contest {contest or 'any'}"
        raise StageError(f"No protocol is in of {told}; only what is there can be replaced.")

    async def _replace(
        self, keys: Sequence[Key], change: Callable[[Protocol, int], Protocol], reason: str, authority: str
    ) -> int:
        protocols = await self.protocols()
        definition = await asyncio.to_thread(self._polls)
        sequence = max(self._counted.sequence, definition) + 1
        records = await asyncio.to_thread(
            lambda: [self._taken_over(change(protocols[key], sequence)) for key in keys]
        )
        answer = await self.ask(do="correct", records=records, reason=reason, authority=authority)
        return await self._shown(int(answer["releases"]["skrutinium"]))

    def _taken_over(self, protocol: Protocol) -> TakenOver:
        made: TakenOver = taken_over(protocol, self._law)
        return made

    def _polls(self) -> int:
        return len(self.site.basis(str(self.run)).definition.polls)

    @_act
    async def hold_back(self, count: Count = 1) -> None:
        """The next so many protocols that come in are late: they wait until :meth:`bring_late`."""
        self._late.hold(count)

    @_act
    async def bring_late(self) -> int:
        """What was held back comes in now; the number of the release with it."""
        late = self._late.release()
        if not late:
            raise StageError(
                "No protocol was held back that could come late: hold some back before all are in."
            )
        await self.ask(do="take", records=late, who=self._who, path="replay")
        return await self.cut()

    @_act
    async def hold(self, contest: str, reason: str = REASON) -> int:
        """Hold the publication of one contest; the number of the release that says so."""
        return await self._shown((await self.ask(do="hold", contest=contest, reason=reason))["release"])

    @_act
    async def lift(self, contest: str) -> int:
        """Publish it again; what came in meanwhile counts from that release on."""
        return await self._shown((await self.ask(do="lift", contest=contest))["release"])

    @_act
    async def declare(
        self,
        state: Literal["final", "certified"] = "final",
        reason: str = REASON,
        authority: str = AUTHORITY,
    ) -> int:
        """Declare the results final, later certified; all protocols have to be in."""
        answer = await self.ask(do="declare", state=state, reason=reason, authority=authority)
        return await self._shown(answer["release"])

    @_act
    async def close_run(self) -> None:
        """Close the run; nothing more is accepted, what is there stays readable."""
        await self.ask(do="close")

    @_act
    async def court_order(
        self,
        precinct: str | None = None,
        contest: str | None = None,
        authority: str = COURT,
    ) -> int:
        """Weeks later a court orders a protocol changed: the run is opened again, corrected, and closed; the number of that release."""
        run = str(self.run)
        if (await asyncio.to_thread(self.site.told))[run].open:
            await self.ask(do="close")
        await self.ask(do="reopen", reason=REASON, authority=authority)
        await self.protocols()
        later = self._counted.last + _WEEKS_LATER
        await self.ask(do="take", records=[], now=later.isoformat(), speed=0)
        key = await self._one(precinct, contest)
        number = await self._replace((key,), made_up_correction, "court-order", authority)
        await self.ask(do="close")
        return number

    # ------------------------------------------------------------------ what readers are told
    @_act
    async def new_codebook(self) -> None:
        """Another version of the registers is published: the given name of a candidate is another one.

        The run goes on with the version that it was opened with, which its documents name. Raises :class:`StageError` unless the election is made up.
        """
        await asyncio.to_thread(self._rename)

    def _rename(self) -> None:
        event = self.event
        definition = self.site.definitions(event).newest()
        assert definition is not None, "a run has a definition"
        version = self.site.define(renamed(definition, definition.version))
        publish_registers(self.site, self.site.definitions(event).load(version), self._clock())

    @_act
    async def incident(self, text: Text, id: str = "test") -> None:
        """Tell all readers of an incident, by that id or, where there was one already, a similar one."""
        told = await asyncio.to_thread(NoticesReader(self.site.store).read)
        known = {one.id for one in told.incidents}
        real = next(
            name
            for number in itertools.count(1)
            if (name := f"{id}-{number}" if number > 1 else id) not in known
        )
        begin = noticing.begin(text, self._clock(), real)[1]
        await self._tell(lambda before: begin(_recent(before)), "incident", text)
        self.incidents[id] = real

    @_act
    async def incident_over(self, id: str = "test") -> None:
        """Tell them that it is over."""
        real = self.incidents.get(id, id)
        await self._tell(noticing.end(real, self._clock()), "end", real)
        self.incidents.pop(id, None)

    async def _tell(self, change: noticing.Change, what: str, text: str) -> None:
        told = await asyncio.to_thread(noticing.tell, self.site, change, what, text, self._who, self._clock())
        if self._served:
            await noticed(self.address, told.number)

    # ------------------------------------------------------------------ on the way to readers
    @_act
    async def second_site(self, *, told: bool = True) -> str:
        """Start a second site with the same releases; its address, which the signed notices name unless ``told`` is false."""
        return await self._second(told=told)

    async def _second(self, *, told: bool) -> str:
        if not self._has_second:
            address = await self._processes.serve_second()
            self._ending.push_async_callback(self.second.close)
            await self.second.open(address)
            self._has_second = True
        if told:
            url = self.second.url
            await self._tell(noticing.second_site(url, self.fingerprint), "second-site", url)
        return self.second.url

    def _outlets(self, which: Which) -> list[Outlet]:
        if which != "first" and not self._has_second:
            raise StageError("There is no second site yet. Start it first.")
        return {"first": [self.front], "second": [self.second], "both": [self.front, self.second]}[which]

    async def _fault(self, which: Which, name: str, begin: Callable[[Outlet], Awaitable[None]]) -> None:
        for outlet in self._outlets(which):
            await begin(outlet)
        self.faults.append(name if which == "first" else f"{name} ({which})")

    @_act
    async def outage(self, which: Which = "first") -> None:
        """A site is gone: open connections are cut, new ones are refused."""
        await self._fault(which, "outage", Outlet.outage)

    @_act
    async def restore(self, which: Which = "both") -> None:
        """All is well again on the way to readers."""
        for outlet in self._outlets(which) if self._has_second else [self.front]:
            await outlet.restore()
        second = [name for name in self.faults if name.endswith(("(second)", "(both)"))]
        self.faults = {
            "both": [],
            "first": second,
            "second": [one for one in self.faults if one not in second],
        }[which]

    @_act
    async def second_site_only(self) -> None:
        """The first site is gone, and the second goes on; where there was none it is started, and told, before."""
        await self._second(told=not self._has_second)
        await self._fault("first", "outage", Outlet.outage)

    @_act
    async def stale(self) -> None:
        """The first site shows what is there now and nothing later, as a cache does that never asks again."""
        copy = await self._processes.serve_copy()
        await self._fault("first", "stale", lambda outlet: outlet.lead_to(copy))

    @_act
    async def refuse(
        self, status: Status = 429, wait: WholeSeconds | None = 1, which: Which = "first"
    ) -> None:
        """Every request is refused with that status, with ``wait`` seconds in ``Retry-After``; open streams are cut."""
        await self._fault(which, f"refuse {status}", lambda outlet: outlet.refuse(status, wait))

    @_act
    async def slow(self, bytes_per_second: Rate = 2_000, delay: Seconds = 0, which: Which = "first") -> None:
        """Every answer comes ``delay`` seconds late and no faster than that."""
        await self._fault(which, "slow", lambda outlet: outlet.slow(bytes_per_second, delay))

    @_act
    async def truncate(self, which: Which = "first") -> None:
        """Of every document comes the first half, as if it were the whole."""
        await self._fault(which, "truncate", Outlet.truncate)

    @_act
    async def break_off(self, which: Which = "first") -> None:
        """In the middle of every document the connection ends."""
        await self._fault(which, "break_off", Outlet.break_off)

    @_act
    async def wrong_signature(self, which: Which = "first") -> None:
        """Everything is signed by somebody else."""
        await self._fault(which, "wrong_signature", Outlet.wrong_signature)

    @_act
    async def skew(self, seconds: Skew = 600, which: Which = "first") -> None:
        """The clock of the feed is so many seconds ahead, below zero behind: in ``Date`` headers and in signed heartbeats."""
        signer = await asyncio.to_thread(self.site.signer)
        await self._fault(which, f"skew {seconds}", lambda outlet: outlet.begin(skewed(seconds, signer)))

    # ------------------------------------------------------------------ crisis mail
    @property
    def mailing(self) -> bool:
        """Whether crisis mail was begun and not ended."""
        return self.mail is not None and self.mail.begun

    @property
    def mailboxes(self) -> Mapping[str, Path]:
        """The Maildir of everybody who gets crisis mail; it is there once the process of the mail runs."""
        return {id: self._folder / "mail" / id for id in self._mail_to}

    @property
    def _folder(self) -> Path:
        return self.site.root / "stage"

    @_act
    async def mail_watch(self) -> None:
        """Start the process of the crisis mail, which watches the first site; it has to serve at this moment."""
        await self._watch()

    async def _watch(self) -> StageMail:
        if self.mail is None:
            environment = self._processes.environment
            mail = StageMail(self.site.store, self._folder, self.mailboxes, self._clock, environment)
            await mail.start(self.front.url)
            self._ending.push_async_callback(mail.stop)
            self.mail = mail
        return self.mail

    @_act
    async def mail_begin(self, reason: str = REASON) -> int:
        """Send results by e-mail until :meth:`mail_end`; the newest release that everybody has by mail when this returns."""
        return await (await self._watch()).begin(self._who, reason)

    @_act
    async def mail_end(self, reason: str = REASON) -> int:
        """Tell everybody by e-mail that it is over; the newest release that they have then."""
        return await (await self._watch()).end(self._who, reason)


def _recent(notices: Notices) -> Notices:
    """Without those that were over long ago: a stage is used again and again."""
    over = [one for one in notices.incidents if one.ended is not None]
    old = {one.id for one in over[:-_REMEMBERED]}
    return msgspec.structs.replace(
        notices, incidents=tuple(one for one in notices.incidents if one.id not in old)
    )


ACTS: Final = frozenset(_acts)
"""The names of all acts, which are methods of :class:`Stage`."""
