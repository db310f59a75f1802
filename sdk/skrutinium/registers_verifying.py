"""Fetching registers for a verification: signature, hashes and schemas checked, differences told."""

import asyncio
import hashlib

from skrutinium import registers_reading
from skrutinium.errors import NotYet, SkrutiniumError
from skrutinium.registers import Registers, RegistersIndex, RegistersSource
from skrutinium.report import Report
from skrutinium.series import Run
from skrutinium.signing import KeyRing
from skrutinium.source import matches

_INDEX = "registers.xml"


class RegistersWalk:
    """Gets the registers of each version of the definition that releases name, once."""

    def __init__(self, source: RegistersSource, keys: KeyRing, run: Run, report: Report) -> None:
        self._source = source
        self._keys = keys
        self._run = run
        self._report = report
        self._known: dict[int, Registers | None] = {}

    async def get(self, number: int) -> Registers | None:
        """Those of definition ``number``; None where there are none, or none that can be used (the report says which)."""
        if number not in self._known:
            self._known[number] = await self._get(number)
        return self._known[number]

    def _differs(self, number: int, path: str, what: str, published: object, due: object = "") -> None:
        self._report.differs("registers", None, f"registers/{number}/{path}", what, published, due)

    async def _get(self, number: int) -> Registers | None:
        try:
            data, line = await self._source.index(number)
        except NotYet:
            self._report.note(
                f"there are no registers {number}: whether every precinct, contest and candidate was published, "
                "their names and the voters still out were not checked"
            )
            return None
        except SkrutiniumError as error:
            self._differs(number, _INDEX, "cannot be read", error.message)
            return None
        try:
            await self._keys.check(data, line, _INDEX)
            index = await asyncio.to_thread(registers_reading.read_index, data, _INDEX)
        except SkrutiniumError as error:
            self._differs(number, _INDEX, "cannot be used", error.message)
            return None
        await self._newest(number, hashlib.sha256(data).hexdigest())
        return await self._documents(number, index)

    async def _newest(self, number: int, digest: str) -> None:
        """The newest index is the one named as such."""
        try:
            newest, named = await self._source.newest()
        except SkrutiniumError as error:
            self._differs(number, "newest", "cannot be read", error.message)
            return
        if newest < number:
            self._differs(number, "newest", "number", newest, number)
        elif newest == number and named != digest:
            self._differs(number, "newest", "hash of the index", named, digest)

    async def _documents(self, number: int, index: RegistersIndex) -> Registers | None:
        told, due = (index.event, index.definition), (self._run.event, number)
        if told != due:
            self._differs(number, _INDEX, "event and definition", told, due)
            return None
        registers, whole = Registers(number, index.made_up), True
        for row in index.documents:
            try:
                data = await self._source.document(number, row)
                if wrong := matches(row, data, row.path):
                    raise wrong
                await asyncio.to_thread(registers_reading.take, registers, row, data, index.event)
            except SkrutiniumError as error:
                whole = False
                self._differs(number, row.path, "the document cannot be used", error.message)
        for path in sorted(registers_reading.NEEDED - {row.path for row in index.documents}):
            whole = False
            self._differs(number, path, "is not in the index", None)
        if not whole:
            self._report.note(f"results were not compared with registers {number}, which cannot be used")
            return None
        self._report.registers[number] = len(index.documents)
        return registers
