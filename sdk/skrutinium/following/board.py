"""The newest notices of the operator, checked; they never go back, whichever source tells them."""

from skrutinium.documents.notices import Notices, read_notices
from skrutinium.errors import NotYet, RollbackError
from skrutinium.sources.address import Address
from skrutinium.trust.signing import KeyRing


class NoticeBoard:
    """What the operator tells all readers."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._etags: dict[str, str | None] = {}
        self.notices = Notices()

    async def read(self, source: Address) -> Notices:
        """What is told there now: nothing before the first notice. Raises :class:`RollbackError` for an older version."""
        where = f"{source.where}/notices.xml"
        try:
            answer = await source.notices(self._etags.get(where))
        except NotYet:
            if self.notices.number:
                raise
            return self.notices
        if answer.body is not None:
            notices = read_notices(await self._keys.signed(answer.body, where), where)
            if notices.number < self.notices.number:
                raise RollbackError(
                    f"notices {notices.number} are offered, but {self.notices.number} were seen",
                    address=where,
                )
            self.notices = notices
            self._etags[where] = answer.etag
        return self.notices
