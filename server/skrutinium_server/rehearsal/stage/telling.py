"""Acts by which readers are told something beside results: registers, notices, crisis mail."""

import asyncio
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from skrutinium_server.process import noticing
from skrutinium_server.process.clock import wall_time
from skrutinium_server.process.registers import publish_registers
from skrutinium_server.rehearsal.stage.acting import REASON, Text, act
from skrutinium_server.rehearsal.stage.changes import renamed
from skrutinium_server.rehearsal.stage.house import StageHouse
from skrutinium_server.rehearsal.stage.mail import StageMail
from skrutinium_server.rehearsal.stage.processes import noticed
from skrutinium_server.release.store.model import Notices
from skrutinium_server.release.store.notices import NoticesReader

_REMEMBERED: Final = 10
"""So many incidents that are over stay in the notices."""


class Telling(StageHouse):
    """What readers are told."""

    @act
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
        publish_registers(self.site, self.site.definitions(event).load(version), wall_time())

    @act
    async def incident(self, text: Text, id: str = "test") -> None:
        """Tell all readers of an incident, by that id or, where there was one already, a similar one."""
        told = await asyncio.to_thread(NoticesReader(self.site.store).read)
        known = {one.id for one in told.incidents}
        real = next(
            name
            for number in itertools.count(1)
            if (name := f"{id}-{number}" if number > 1 else id) not in known
        )
        begin = noticing.begin(text, wall_time(), real)[1]
        await self._tell(lambda before: begin(_recent(before)), "incident", text)
        self.incidents[id] = real

    @act
    async def incident_over(self, id: str = "test") -> None:
        """Tell them that it is over."""
        real = self.incidents.get(id, id)
        await self._tell(noticing.end(real, wall_time()), "end", real)
        self.incidents.pop(id, None)

    async def _tell(self, change: noticing.Change, what: str, text: str) -> None:
        told = await asyncio.to_thread(noticing.tell, self.site, change, what, text, self._who, wall_time())
        if self._served:
            async with self._within():
                await noticed(self.address, told.number)

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

    @act
    async def mail_watch(self) -> None:
        """Start the process of the crisis mail, which watches the first site; it has to serve at this moment."""
        await self._watch()

    async def _watch(self) -> StageMail:
        if self.mail is None:
            mail = StageMail(self.site.store, self._folder, self.mailboxes)
            await mail.start(self.front.url)
            self.mail = mail
        return self.mail

    async def _leave_run(self) -> None:
        """The mail of one run does not watch the next; what it kept to go on with is of no use any more."""
        await self._stop_mail()

    async def _stop_mail(self) -> None:
        mail, self.mail = self.mail, None
        if mail is not None:
            await mail.stop()

    @act
    async def mail_begin(self, reason: str = REASON) -> int:
        """Send results by e-mail until :meth:`mail_end`; the newest release that everybody has by mail when this returns."""
        return await (await self._watch()).begin(self._who, reason)

    @act
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
