"""Crisis mail as a source: what is signed counts once, whatever brought it; nothing else counts at all."""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import skrutinium
from skrutinium import ChainError, Feed, NotDelivered, NotYet, SignatureError, StorageError
from skrutinium.documents.series import Run
from skrutinium.sources.mail.source import MailSource
from skrutinium.trust.signing import fingerprint as read_fingerprint
from skrutinium.trust.signing import read_key
from tests.sdk.mails import Box, files_of, forged, mail, message
from tests.sdk.several import IMPATIENT, QUICK, Sites, until
from tests.sdk.store_builder import EVENT, PHASE, RUN, SERIES, fingerprint, make_night, public_pem, sign

THE_RUN = Run(EVENT, RUN, "Made-up election", None, "made-up-2030", PHASE, True, True, (SERIES,))


@pytest.fixture
async def sites(tmp_path: Path) -> AsyncIterator[Sites]:
    sites = Sites(tmp_path)
    await sites.begin()
    yield sites
    await sites.end()


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "mail")


class Mailed:
    """A written night, and a Maildir for mails of it."""

    def __init__(self, folder: Path, box: Box) -> None:
        self.night = make_night()
        self.root = folder / "store"
        self.written = self.night.write(self.root)
        self.box = box
        self.pin = fingerprint(self.night.key)

    def deliver(self, *numbers: int, agreed: tuple[str, ...] = ("event.xml",), zipped: bool = True) -> None:
        self.box.deliver(mail(self.root, numbers, agreed, zipped=zipped))

    def source(self) -> MailSource:
        return skrutinium.open_mail(self.box.place, trusted=lambda: (self.pin,))

    def connect(self, place: str | None = None, **settings: object) -> Feed:
        wanted = {"timing": QUICK, "requests": IMPATIENT, "fingerprint": self.pin} | settings
        return skrutinium.connect(place or self.box.place, **wanted)  # type: ignore[arg-type]


@pytest.fixture
def mailed(tmp_path: Path, box: Box) -> Mailed:
    return Mailed(tmp_path, box)


# ---------------------------------------------------------------------- with a feed
async def test_release_by_feed_and_mail_counts_once(sites: Sites, box: Box) -> None:
    """What feed and mail both have comes once, by the feed; what only mail has comes by mail, and both are named."""
    await sites.first.grow(3)
    box.deliver(mail(sites.first.root, [1, 2, 3]))
    async with sites.connect(box.place) as feed:
        releases = feed.releases()
        assert await sites.follow(releases, 3) == [sites.first.feed.url]
        await until(lambda: feed.health.sources[1].newest == 3)
        await sites.first.down()
        await sites.second.grow(5)
        box.deliver(mail(sites.second.root, [2, 3, 4, 5]))
        assert await sites.follow(releases, 5) == [box.place] * 2
        assert (await sites.got[-1].event()).state == "complete"
    assert sites.numbers == [3, 4, 5]


async def test_client_goes_back_to_the_feed(sites: Sites, box: Box) -> None:
    """When the feed is back it delivers again, and mail that comes later brings nothing twice."""
    async with sites.connect(box.place) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        await sites.first.down()
        await sites.second.grow(3)
        box.deliver(mail(sites.second.root, [3]))
        assert await sites.follow(releases, 3) == [box.place]
        await sites.first.grow(3)
        await sites.first.up()
        await until(lambda: feed.health.sources[0].channel == "push")
        await sites.first.grow(5)
        box.deliver(mail(sites.first.root, [3, 4]))
        assert await sites.follow(releases, 5) == [sites.first.feed.url] * 2
    assert sites.numbers == [2, 3, 4, 5]


async def test_gap_waits_until_it_is_filled(sites: Sites, box: Box) -> None:
    """A mail that brings 4 and 5 while 2 was done waits and says so, until 3 comes from anywhere."""
    async with sites.connect(box.place) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        await sites.second.grow(5)
        box.deliver(mail(sites.second.root, [4, 5]))
        waiting = asyncio.create_task(sites.follow(releases, 5))
        await until(lambda: "release 3 is not there" in (feed.health.trouble or ""))
        assert sites.numbers == [2]
        box.deliver(mail(sites.second.root, [3]))
        assert await waiting == [box.place] * 3
    assert sites.numbers == [2, 3, 4, 5]


async def test_document_that_no_mail_brings(sites: Sites, box: Box) -> None:
    """A document that was not agreed is asked for at the feed; when that has gone too, it is said to be not delivered."""
    async with sites.connect(box.place) as feed:
        releases = feed.releases()
        await sites.follow(releases, 2)
        await sites.second.grow(4)
        box.deliver(mail(sites.second.root, [3]))
        assert await sites.follow(releases, 3) == [box.place]
        await sites.first.grow(3)
        path = next(path for path in sites.got[-1].changed if path.startswith("contest/"))
        assert b"contest-results" in await sites.got[-1].document(path)
        await sites.first.down()
        box.deliver(mail(sites.second.root, [4]))
        assert await sites.follow(releases, 4) == [box.place]
        path = next(path for path in sites.got[-1].changed if path.startswith("contest/"))
        with pytest.raises(NotDelivered, match="no source that answers holds contest/"):
            await sites.got[-1].document(path)


# ---------------------------------------------------------------------- mails alone
@pytest.mark.parametrize("zipped", [True, False])
async def test_mails_alone_are_followed(mailed: Mailed, *, zipped: bool) -> None:
    """Without any feed the newest release comes first and then each that follows, from zips and from single files."""
    mailed.deliver(1, 2, zipped=zipped)
    got = []
    async with asyncio.timeout(60), mailed.connect() as feed:
        assert feed.run.id == RUN
        async for release in feed.releases():
            got.append((release.number, release.source, (await release.event()).release))
            if release.number == 2:
                mailed.deliver(3, 4, 5, zipped=zipped)
            if release.number == 5:
                break
    assert got == [(number, mailed.box.place, number) for number in (2, 3, 4, 5)]


async def test_nobody_has_a_document(mailed: Mailed) -> None:
    """With mails alone a document that was not agreed is not delivered, which is one way of being not yet there."""
    mailed.deliver(1, 2)
    async with asyncio.timeout(60), mailed.connect() as feed:
        release = await feed.release()
        with pytest.raises(NotDelivered):
            await release.document("contest/100.xml")


async def test_document_of_an_earlier_release(mailed: Mailed) -> None:
    """Who begins by mail in the middle of a night has documents of earlier releases too, as far as mails prove them."""
    mailed.deliver(2, 3, agreed=("event.xml", "contest/"))
    async with asyncio.timeout(60), mailed.connect() as feed:
        release = await feed.release()
        changed = {number: set(made.documents) for number, made in enumerate(mailed.night.releases, 1)}
        earlier = next(path for path in changed[2] - changed[3] if path.startswith("contest/"))
        assert await release.document(earlier) == mailed.night.releases[1].documents[earlier]
        oldest = next(path for path in changed[1] - changed[2] - changed[3] if path.startswith("contest/"))
        with pytest.raises(NotDelivered, match="written before release 2"):
            await release.document(oldest)
        mailed.deliver(1, agreed=("contest/",))
        assert (await feed.release()).number == 3  # a look at the mails
        assert await release.document(oldest) == mailed.night.releases[0].documents[oldest]
        with pytest.raises(NotYet, match="has no document"):
            await release.document("contest/nothing.xml")


async def test_state_file_goes_on(mailed: Mailed, tmp_path: Path) -> None:
    """After a restart with the state file only what is new comes."""
    mailed.deliver(1, 2)
    numbers = []
    for until_number in (2, 4):
        async with asyncio.timeout(60), mailed.connect(state=tmp_path / "state.json") as feed:
            async for release in feed.releases():
                numbers.append(release.number)
                if release.number == until_number:
                    await feed.done(release)
                    break
        mailed.deliver(2, 3, 4)
    assert numbers == [2, 3, 4]


# ---------------------------------------------------------------------- trust
async def test_forged_mail_changes_nothing(mailed: Mailed) -> None:
    """A later release and state by somebody else's key are set aside; newest, state and keys stay the publisher's."""
    mailed.deliver(1, 2)
    mailed.box.deliver(forged(mailed.night, 900, Ed25519PrivateKey.generate(), mailed.root))
    source = mailed.source()
    try:
        assert (await source.series(THE_RUN).newest())[0] == 2
        assert b'number="900"' not in await source.state()
        with pytest.raises(NotYet):
            await source.series(THE_RUN).manifest(900)
    finally:
        await source.close()


async def test_forged_mail_does_not_stop_the_others(mailed: Mailed) -> None:
    """A reader who follows goes on by the right mails, before and after a forged one."""
    mailed.box.deliver(forged(mailed.night, 900, Ed25519PrivateKey.generate(), mailed.root))
    mailed.deliver(1, 2)
    numbers = []
    async with asyncio.timeout(60), mailed.connect() as feed:
        async for release in feed.releases():
            numbers.append(release.number)
            if release.number == 2:
                mailed.box.deliver(forged(mailed.night, 3, Ed25519PrivateKey.generate(), mailed.root))
                mailed.deliver(3)
            else:
                break
        assert not any(one.set_aside for one in feed.health.sources)
    assert numbers == [2, 3]


async def test_several_publishers_need_a_fingerprint(mailed: Mailed) -> None:
    """Without a fingerprint mails of two publishers are refused with both fingerprints, not believed by which came first."""
    mailed.deliver(1, 2)
    mailed.box.deliver(forged(mailed.night, 900, Ed25519PrivateKey.generate(), mailed.root))
    with pytest.raises(SignatureError, match="2 keys that do not know each other") as wrong:
        async with mailed.connect(fingerprint=None):
            pass
    assert mailed.pin[:4] in str(wrong.value)


async def test_one_publisher_is_met_first(mailed: Mailed) -> None:
    """Without a fingerprint the only publisher is trusted, and that is said."""
    mailed.deliver(1, 2)
    async with mailed.connect(fingerprint=None) as feed:
        assert feed.unpinned
        assert feed.fingerprint.replace(" ", "") == mailed.pin


async def test_key_is_followed_after_a_rotation(mailed: Mailed) -> None:
    """A new key that the pinned one signed counts, although somebody sent it before, written otherwise and signed by a stranger."""
    new, stranger = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    other = public_pem(new) + b"\n"
    assert fingerprint(new) == read_fingerprint(read_key(other, "a key")).replace(" ", "")
    mailed.box.deliver(
        message(
            {
                "a.pem": other,
                "a.pem.sig": sign(stranger, other),
                "b.pem": public_pem(stranger),
            }
        ).as_bytes()
    )
    files = files_of(mailed.root, [1])
    later = files_of(mailed.root, [2])
    manifest = later["manifest/000000002.xml"]
    pem = public_pem(new)
    files |= {
        "manifest/000000002.xml": manifest,
        "manifest/000000002.xml.sig": sign(new, manifest),
        f"keys/{fingerprint(new)[:16]}.pem": pem,
        f"keys/{fingerprint(new)[:16]}.pem.sig": sign(mailed.night.key, pem),
    }
    mailed.box.deliver(message(files).as_bytes())
    async with asyncio.timeout(60), mailed.connect() as feed:
        release = await feed.release()
        assert release.number == 2
        assert feed.fingerprint.replace(" ", "") == fingerprint(new)


async def test_key_that_signed_itself_is_not_trusted(mailed: Mailed) -> None:
    """A key whose rotation is signed by itself, or by another stranger, is as strange as without."""
    mailed.deliver(1)
    one, two = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    manifest = files_of(mailed.root, [2])["manifest/000000002.xml"]
    for signer in (one, two):
        mailed.box.deliver(
            message(
                {
                    "manifest/000000002.xml": manifest,
                    "manifest/000000002.xml.sig": sign(one, manifest),
                    f"keys/{fingerprint(one)[:16]}.pem": public_pem(one),
                    f"keys/{fingerprint(one)[:16]}.pem.sig": sign(signer, public_pem(one)),
                    f"keys/{fingerprint(two)[:16]}.pem": public_pem(two),
                }
            ).as_bytes()
        )
    source = mailed.source()
    try:
        assert (await source.series(THE_RUN).newest())[0] == 1
    finally:
        await source.close()


async def test_two_contents_under_one_number(mailed: Mailed) -> None:
    """Two releases of one number, both rightly signed, are an error that names both mails; neither is chosen."""
    mailed.deliver(1, 2)
    files = files_of(mailed.root, [2])
    manifest = files["manifest/000000002.xml"].replace(b'position="', b'position="1')
    other = {
        **files,
        "manifest/000000002.xml": manifest,
        "manifest/000000002.xml.sig": sign(mailed.night.key, manifest),
    }
    mailed.box.deliver(message(other, id="<other@organiser.example>").as_bytes())
    source = mailed.source()
    try:
        with pytest.raises(ChainError, match=r"two contents.*<other@organiser.example>"):
            await source.series(THE_RUN).newest()
    finally:
        await source.close()


async def test_names_and_headers_count_for_nothing(mailed: Mailed) -> None:
    """Files under any names, in a mail without any of the usual headers, are known by what they are."""
    files = files_of(mailed.root, [1, 2])
    renamed = {f"file {number}.bin": data for number, data in enumerate(files.values())}
    made = EmailMessage(policy=SMTP)
    for name, data in renamed.items():
        made.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    mailed.box.deliver(made.as_bytes())
    source = mailed.source()
    try:
        assert (await source.series(THE_RUN).newest())[0] == 2
    finally:
        await source.close()


async def test_forwarded_mails_are_read(mailed: Mailed) -> None:
    """A mail forwarded as an attachment, once or twice, and as a file .eml, is read."""
    inner = message(files_of(mailed.root, [1]))
    once = EmailMessage(policy=SMTP)
    once.set_content("Please look at this.")
    once.add_attachment(inner)
    twice = EmailMessage(policy=SMTP)
    twice.set_content("And this.")
    twice.add_attachment(once)
    twice.add_attachment(
        mail(mailed.root, [2]), maintype="application", subtype="octet-stream", filename="results.eml"
    )
    mailed.box.deliver(twice.as_bytes())
    source = mailed.source()
    try:
        assert (await source.series(THE_RUN).newest())[0] == 2
        assert (await source.series(THE_RUN).manifest(1))[0]
    finally:
        await source.close()


async def test_quoted_printable_and_eight_bit(mailed: Mailed) -> None:
    """Files that were not sent as Base64 keep the bytes that were signed, although lines of a mail end otherwise."""
    files = files_of(mailed.root, [1])
    parts = []
    for number, (name, data) in enumerate(files.items()):
        if number % 2:
            body, encoding = data.replace(b"\n", b"\r\n"), b"8bit"
        else:
            body = b"\r\n".join(
                re.sub(rb"[=\x80-\xff]", lambda found: b"=%02X" % found[0][0], line)
                for line in data.split(b"\n")
            )
            encoding = b"quoted-printable"
        parts.append(
            b'--b\r\nContent-Type: application/xml; name="%s"\r\nContent-Transfer-Encoding: %s\r\n\r\n%s\r\n'
            % (name.encode(), encoding, body)
        )
    mailed.box.deliver(
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"".join(parts)
        + b"--b--\r\n"
    )
    source = mailed.source()
    try:
        assert (await source.series(THE_RUN).newest())[0] == 1
        manifest, _ = await source.series(THE_RUN).manifest(1)
        assert manifest == files["manifest/000000001.xml"]
    finally:
        await source.close()


async def test_parts_complete_each_other(mailed: Mailed) -> None:
    """A document that comes in one mail counts by the manifest that comes in another, whichever is first."""
    files = files_of(mailed.root, [1, 2])
    documents = {name: data for name, data in files.items() if name.startswith("release/")}
    proof = {name: data for name, data in files.items() if name not in documents}
    mailed.box.deliver(message(documents).as_bytes())
    source = mailed.source()
    try:
        with pytest.raises(NotYet):
            await source.state()
        await asyncio.to_thread(mailed.box.deliver, message(proof).as_bytes())
        assert (await source.series(THE_RUN).newest())[0] == 2
        row = skrutinium.Document("event.xml", 0, "0" * 64, "", 1)
        material = await source.series(THE_RUN).release(2)
        assert base64.b64encode(material.manifest)
        with pytest.raises(NotYet):
            await asyncio.to_thread(material.load, row)
    finally:
        await source.close()


async def test_closed_source_says_so(mailed: Mailed) -> None:
    """What is asked after the end is answered with an error of our own; closing twice does no harm."""
    source = mailed.source()
    await source.close()
    await source.close()
    with pytest.raises(skrutinium.NetworkError, match="closed"):
        await source.state()


async def test_mail_that_could_not_be_kept_is_read_again(mailed: Mailed) -> None:
    """When what mails bring finds no room, that is an error of storage; with room, every mail of before counts."""
    source = mailed.source()
    try:
        series = source.series(THE_RUN)
        await source.of_pool(lambda pool: pool._base.execute("pragma max_page_count = 1"))
        large = {"noise.bin": hashlib.shake_256(b"noise").digest(500_000)}
        mailed.box.deliver(message(files_of(mailed.root, [1, 2]) | large).as_bytes())
        with pytest.raises(StorageError, match="full"):
            await series.newest()
        assert (await series.newest())[0] == 2
    finally:
        await source.close()
