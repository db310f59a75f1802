"""The access letter as PDF: one column on A4, in a font that has the letters of Czech and Polish.

A letter with a character that the font lacks is refused: a wrong letter in a name or an address is worse than none.
"""

import importlib.resources
import io
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.platypus import (
    HRFlowable,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from skrutinium_server.authority.errors import LetterError
from skrutinium_server.authority.letter import Letter, Section
from skrutinium_server.authority.letter_wording import Wording

DEBIAN: Final = Path("/usr/share/fonts/truetype/dejavu")
"""Where Debian's package fonts-dejavu-core lays its fonts."""

_INK: Final = colors.HexColor("#1a2433")
_ACCENT: Final = colors.HexColor("#1f4e79")
_FAINT: Final = colors.HexColor("#5b6675")
_LINE: Final = colors.HexColor("#c9d1db")


class Faces(NamedTuple):
    """Names under which the faces are known to reportlab."""

    plain: str
    bold: str
    fixed: str
    letters: frozenset[int]


def pdf_of(letter: Letter, words: Wording, font: str = "") -> bytes:
    """The letter as PDF, the same bytes for the same letter; raises :class:`LetterError` without a font that has its letters."""
    faces = load_faces(font)
    _check_letters(letter, words, faces)
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        # A frame keeps 6 points of its own on each side.
        leftMargin=24 * mm - 6,
        rightMargin=24 * mm - 6,
        topMargin=15 * mm,
        bottomMargin=15 * mm,
        title=letter.subject,
        author=letter.sender[0],
        subject=letter.reference,
        lang=letter.language,
        invariant=1,
    )

    def foot(canvas: Any, page: Any) -> None:
        canvas.setFont(faces.plain, 8)
        canvas.setFillColor(_FAINT)
        canvas.drawString(24 * mm, 9 * mm, f"{words.reference} {letter.reference}")
        canvas.drawRightString(A4[0] - 24 * mm, 9 * mm, str(page.page))

    document.build(list(_story(letter, words, faces)), onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()


@lru_cache(maxsize=4)
def load_faces(font: str = "") -> Faces:
    """Register a font: the TrueType file ``font``, else the one of the package font-source-sans-pro, else Debian's DejaVu."""
    for plain, bold in _candidates(font):
        if plain.is_file():
            try:
                return _registered(plain, bold if bold.is_file() else plain)
            except TTFError as error:
                raise LetterError(
                    f"{plain} is no TrueType font that can be used: {error}", code="letter-font"
                ) from error
    raise LetterError(
        f"There is no font for the letter{f' at {font}' if font else ''}. Install the package font-source-sans-pro (pip) or "
        "fonts-dejavu-core (Debian), or name a TrueType file: [letter] font in site.toml.",
        code="letter-font",
    )


def _candidates(font: str) -> Iterator[tuple[Path, Path]]:
    if font:
        yield Path(font), Path(font)
        return
    try:
        files = importlib.resources.files("font_source_sans_pro")
    except ModuleNotFoundError:
        pass
    else:
        folder = Path(str(files)) / "files"
        yield folder / "SourceSansPro-Regular.ttf", folder / "SourceSansPro-Semibold.ttf"
    yield DEBIAN / "DejaVuSans.ttf", DEBIAN / "DejaVuSans-Bold.ttf"


def _registered(plain: Path, bold: Path) -> Faces:
    faces = []
    for path in (plain, bold):
        name = f"letter-{path.stem}"
        face = TTFont(name, str(path))
        pdfmetrics.registerFont(face)
        faces.append(face)
    letters = frozenset(faces[0].face.charToGlyph) & frozenset(faces[1].face.charToGlyph)
    pdfmetrics.registerFontFamily(faces[0].fontName, normal=faces[0].fontName, bold=faces[1].fontName)
    return Faces(faces[0].fontName, faces[1].fontName, "Courier", letters)


def _check_letters(letter: Letter, words: Wording, faces: Faces) -> None:
    texts = [letter.subject, letter.reference, words.date, words.reference, *letter.sender, *letter.recipient]
    texts += [*letter.opening, *letter.closing]
    for section in letter.sections:
        texts += [section.heading, *(part for row in section.rows for part in row)]
    missing = sorted({sign for text in texts for sign in text if ord(sign) not in faces.letters})
    if missing:
        shown = " ".join(f"{sign} (U+{ord(sign):04X})" for sign in missing[:10])
        raise LetterError(
            f"The font {faces.plain.removeprefix('letter-')} lacks letters of this letter: {shown}. "
            "Name one that has them: [letter] font in site.toml.",
            code="letter-font",
        )


def _story(letter: Letter, words: Wording, faces: Faces) -> Iterator[Any]:
    text = ParagraphStyle("text", fontName=faces.plain, fontSize=10, leading=13, textColor=_INK)
    faint = ParagraphStyle("faint", parent=text, fontSize=9, leading=12, textColor=_FAINT)
    right = ParagraphStyle("right", parent=faint, alignment=TA_RIGHT)
    title = ParagraphStyle(
        "title", parent=text, fontName=faces.bold, fontSize=14.5, leading=18, textColor=_ACCENT
    )
    sender = "<br/>".join(escape(line) for line in letter.sender if line)
    when = f"{escape(words.date)} {letter.date:%Y-%m-%d}<br/>{escape(words.reference)} {escape(letter.reference)}"
    yield _beside(Paragraph(sender, faint), Paragraph(when, right), (100, 62))
    yield Spacer(1, 3 * mm)
    yield HRFlowable(width="100%", thickness=0.8, color=_ACCENT, spaceAfter=5 * mm)
    name, *rest = letter.recipient
    yield Paragraph(
        f'<font name="{faces.bold}">{escape(name)}</font><br/>' + "<br/>".join(map(escape, rest)), text
    )
    yield Spacer(1, 6 * mm)
    yield Paragraph(escape(letter.subject), title)
    for paragraph in letter.opening:
        yield Spacer(1, 2 * mm)
        yield Paragraph(escape(paragraph), text)
    for section in letter.sections:
        yield KeepTogether(list(_section(section, faces, text)))
    yield KeepTogether([Spacer(1, 3 * mm), Paragraph("<br/>".join(map(escape, letter.closing)), text)])


def _section(section: Section, faces: Faces, text: ParagraphStyle) -> Iterator[Any]:
    heading = ParagraphStyle("heading", parent=text, fontName=faces.bold, textColor=_ACCENT, fontSize=11)
    label = ParagraphStyle("label", parent=text, textColor=_FAINT)
    fixed = ParagraphStyle("fixed", parent=text, fontName=faces.fixed, fontSize=10)
    yield Spacer(1, 3 * mm if section.heading else 1 * mm)
    if section.heading:
        yield Paragraph(escape(section.heading), heading)
        yield Spacer(1, 0.5 * mm)
    for name, value in section.rows:
        # What is compared by eye is ASCII (addresses, hexadecimal digits), which every face of one width has.
        shown = Paragraph(escape(value), fixed if section.fixed and value.isascii() else text)
        yield _beside(Paragraph(escape(name), label), shown, (30, 132)) if name else shown


def _beside(left: Paragraph, right: Paragraph, widths: tuple[int, int]) -> Table:
    table = Table([[left, right]], colWidths=[width * mm for width in widths], hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("RIGHTPADDING", (0, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 0),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return table
