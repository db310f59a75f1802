"""Fetching registers for a verification: signature, chain, hashes and schemas checked, differences told."""

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from skrutinium.documents.registers import RegistersIndex, RegistersSource
from skrutinium.documents.registers_reading import read_index
from skrutinium.documents.series import ZEROS, Run
from skrutinium.errors import NotYet, SkrutiniumError
from skrutinium.sources.source import matches
from skrutinium.trust.signing import KeyRing
from skrutinium.verifying import registers_reading
from skrutinium.verifying.registers import Registers
from skrutinium.verifying.report import UNREACHABLE, Report

_INDEX = "registers.xml"


@dataclass(frozen=True, slots=True)
class _Held:
    """An index as it was found; ``name`` is that in its address, ``index`` None when it cannot be used."""

    name: str
    number: int
    sha256: str
    index: RegistersIndex | None


class RegistersWalk:
    """Gets the registers of each version of the definition that releases name, once; then :meth:`chain`."""

    def __init__(self, source: RegistersSource, keys: KeyRing, run: Run, report: Report) -> None:
        self._source = source
        self._keys = keys
        self._run = run
        self._report = report
        self._known: dict[int, Registers | None] = {}
        self._read_before: dict[str, _Held] = {}

    async def get(self, number: int) -> Registers | None:
        """Those of definition ``number``; None where there are none, or none that can be used (the report says which)."""
        if number not in self._known:
            self._known[number] = await self._get(number)
        return self._known[number]

    def _differs(self, number: int | str, path: str, what: str, published: object, due: object = "") -> None:
        self._report.differs("registers", None, f"registers/{number}/{path}", what, published, due)

    async def _get(self, number: int) -> Registers | None:
        try:
            held = await self._read(number)
        except NotYet:
            self._report.note(
                f"there are no registers {number}: whether every precinct, contest and candidate was published, "
                "their names and the voters still out were not checked"
            )
            return None
        return None if held.index is None else await self._documents(number, held.index)

    async def _read(self, number: int, edition: int | None = None) -> _Held:
        """An index, by default the newest edition; what is wrong with it is told once. Raises :class:`NotYet`."""
        name = str(number) if edition is None else f"{number}.{edition}"
        if name not in self._read_before:
            try:
                data, line = await self._source.index(number, edition)
            except (NotYet, *UNREACHABLE):
                raise
            except SkrutiniumError as error:
                self._differs(name, _INDEX, "cannot be read", error.message)
                self._read_before[name] = _Held(name, number, "", None)
            else:
                index = await self._judged(name, number, edition, data, line)
                self._read_before[name] = _Held(name, number, hashlib.sha256(data).hexdigest(), index)
        return self._read_before[name]

    async def _judged(
        self, name: str, number: int, edition: int | None, data: bytes, line: bytes
    ) -> RegistersIndex | None:
        try:
            await self._keys.check(data, line, _INDEX)
            index = await asyncio.to_thread(read_index, data, _INDEX)
        except SkrutiniumError as error:
            self._differs(name, _INDEX, "cannot be used", error.message)
            return None
        told = index.event, index.definition, index.edition
        due = self._run.event, number, edition or index.edition
        if told != due:
            self._differs(name, _INDEX, "event, definition and edition", told, due)
            return None
        return index

    async def chain(self) -> None:
        """Check that every index names the one written before it, back to the first, and that the newest is named as such."""
        there = [number for number, registers in self._known.items() if registers is not None]
        try:
            newest, named = await self._source.newest()
        except NotYet as error:
            for number in there[:1]:
                self._differs(number, "newest", "cannot be read", error.message)
            return
        except UNREACHABLE:
            raise
        except SkrutiniumError as error:
            self._differs(max(there, default=0), "newest", "cannot be read", error.message)
            return
        held: list[_Held] = []
        for number in range(1, max(newest, *there, 0) + 1):
            with contextlib.suppress(NotYet):  # a definition whose registers were never published
                held += await self._editions(number)
        if there and newest < max(there):
            self._differs(max(there), "newest", "number", newest, max(there))
        last = next((one for one in reversed(held) if one.number == newest), None)
        if last is None or (last.index is not None and last.sha256 != named):
            self._differs(newest, "newest", "hash of the index", named, last and last.sha256)
        self._links(held)

    async def _editions(self, number: int) -> list[_Held]:
        """Every index of one version of the definition, the newest edition last. Raises :class:`NotYet` when there is none."""
        last = await self._read(number)
        held: list[_Held] = []
        for edition in range(1, 1 if last.index is None else last.index.edition):
            try:
                held.append(await self._read(number, edition))
            except NotYet:
                self._differs(f"{number}.{edition}", _INDEX, "is missing", None)
        return [*held, last]

    def _links(self, held: Sequence[_Held]) -> None:
        """Each follows one that is there, and none follows one that another follows already."""
        before = {ZEROS: 0} | {one.sha256: one.number for one in held}
        followed: dict[str, str] = {}
        for one in held:
            if one.index is None:
                continue
            previous = one.index.previous
            if previous not in before:
                self._differs(one.name, _INDEX, "previous", previous, "the hash of an index that is there")
            elif (
                one.number >= before[previous]
            ):  # an older definition's index may be written beside the chain
                if previous in followed:
                    what = f"previous: registers {followed[previous]} follow the same index"
                    self._differs(one.name, _INDEX, what, previous)
                followed.setdefault(previous, one.name)

    async def _documents(self, number: int, index: RegistersIndex) -> Registers | None:
        registers, whole = Registers(number, index.made_up), True
        for row in index.documents:
            try:
                data = await self._source.document(number, row)
                if wrong := matches(row, data, row.path):
                    raise wrong
                await asyncio.to_thread(registers_reading.take, registers, row, data, index.event)
            except UNREACHABLE:
                raise
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
