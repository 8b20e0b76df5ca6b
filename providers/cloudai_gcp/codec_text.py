"""Vision's `fullTextAnnotation` (page > block > paragraph > word > symbol) as pages > blocks > lines > words.

Lines are where the symbols' `detectedBreak`s end them; Google has no lines of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cloudai.types.geometry import Box, Region
from cloudai.types.media import Media
from cloudai.types.vision import Block, Line, Page, Word
from cloudai.wirejson import JsonNode
from cloudai_gcp.values import Frame, from_google, region

_SPACES: Final = frozenset({"SPACE", "SURE_SPACE"})
_ENDS: Final = frozenset({"EOL_SURE_SPACE", "HYPHEN", "LINE_BREAK"})


def pages(node: JsonNode, image: Media, least: float | None) -> tuple[Page, ...]:
    """No page where nothing was found. Words under `least` confidence are left out."""
    return tuple(_page(each, number, image, least) for number, each in enumerate(node.items("pages"), start=1))


def _page(node: JsonNode, number: int, image: Media, least: float | None) -> Page:
    frame = frame_of(node, image)
    blocks = (_block(each, frame, least) for each in node.items("blocks"))
    turned = frame is not None and frame.orientation >= 5
    width, height = node.integer("width") or None, node.integer("height") or None
    return Page(
        number=number,
        width=height if turned else width,
        height=width if turned else height,
        blocks=tuple(block for block in blocks if block.lines),
        languages=languages_of(node),
    )


def frame_of(node: JsonNode, image: Media) -> Frame | None:
    """What the page's pixels are counted on: the size says whether the picture was turned upright before."""
    width, height = node.integer("width"), node.integer("height")
    if not width or not height:
        return None
    info = image.image
    if info is not None and info.orientation >= 5 and (width, height) == (info.width, info.height) and width != height:
        return Frame(width=width, height=height, orientation=info.orientation)
    return Frame(width=width, height=height)


def languages_of(node: JsonNode) -> tuple[str, ...]:
    """`property.detectedLanguages`, the surest first."""
    found = sorted(node.at("property").items("detectedLanguages"), key=lambda each: -each.number("confidence"))
    tags = (from_google(each.text("languageCode")) for each in found)
    return tuple(dict.fromkeys(tag for tag in tags if tag is not None))


@dataclass(slots=True)
class _Open:
    """A line that is being read."""

    text: str = ""
    words: list[Word] = field(default_factory=list)

    def close(self) -> Line:
        boxes = [word.region.box for word in self.words if word.region]
        sure = [word.confidence for word in self.words if word.confidence is not None]
        languages = {word.language for word in self.words}
        return Line(
            text=self.text.rstrip(),
            words=tuple(self.words),
            region=Region(box=_around(boxes)) if boxes else None,
            confidence=sum(sure) / len(sure) if sure else None,
            language=languages.pop() if len(languages) == 1 else None,
        )


def _around(boxes: list[Box]) -> Box:
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    right, bottom = max(box.x + box.w for box in boxes), max(box.y + box.h for box in boxes)
    return Box(x=left, y=top, w=right - left, h=bottom - top)


def _block(node: JsonNode, frame: Frame | None, least: float | None) -> Block:
    lines: list[Line] = []
    for paragraph in node.items("paragraphs"):
        line = _Open()
        for each in paragraph.items("words"):
            text, before, after = _spelled(each)
            if before in _ENDS and line.words:
                lines.append(line.close())
                line = _Open()
            word = _word(each, text, frame)
            if least is None or word.confidence is None or word.confidence >= least:
                line.words.append(word)
                line.text += (" " if before in _SPACES and line.text else "") + text
                line.text += {"HYPHEN": "-", "SPACE": " ", "SURE_SPACE": " "}.get(after, "")
            if after in _ENDS and line.words:
                lines.append(line.close())
                line = _Open()
        if line.words:
            lines.append(line.close())
    kind = node.text("blockType").lower()
    return Block(
        lines=tuple(lines),
        region=region(node.at("boundingBox"), frame),
        confidence=node.ratio("confidence"),
        kind=None if kind in ("", "unknown") else kind,
    )


def _spelled(word: JsonNode) -> tuple[str, str, str]:
    """A word's text, the break before it and the break after it."""
    text, before, after = "", "", ""
    for symbol in word.items("symbols"):
        text += symbol.text("text")
        found = symbol.at("property").at("detectedBreak")
        if found.flag("isPrefix"):
            before = before or found.text("type")
        else:
            after = found.text("type")
    return text, before, after


def _word(node: JsonNode, text: str, frame: Frame | None) -> Word:
    return Word(
        text=text,
        region=region(node.at("boundingBox"), frame),
        confidence=node.ratio("confidence"),
        language=next(iter(languages_of(node)), None),
    )
