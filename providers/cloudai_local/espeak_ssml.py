"""What SSML may hold before espeak-ng sees it.

espeak-ng reads tags leniently and its `<audio src>` opens any file of this machine, so the text must be well-formed
XML without a document type and without `<audio>`, in whatever disguise.
"""

from __future__ import annotations

import html
import re
from xml.parsers import expat

from cloudai.errors import InvalidInput

_AUDIO = re.compile(r"<[^\w<>]*(?:\w+:)?audio\b", re.IGNORECASE)


def check_ssml(text: str) -> None:
    """Raises `InvalidInput` for what is not well-formed, has a DOCTYPE, or plays files."""
    _check_form(text)
    plain = text
    while True:
        if _AUDIO.search(plain):
            raise InvalidInput("<audio> in SSML would read files of this machine; local synthesis refuses it")
        if (further := html.unescape(plain)) == plain:
            return
        plain = further


def _check_form(text: str) -> None:
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        raise InvalidInput(f"the SSML is not well-formed XML: {error}") from error


def _refuse_doctype(*_: object) -> None:
    raise InvalidInput("SSML with a DOCTYPE is refused")
