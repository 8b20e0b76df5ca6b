"""Pages: OCR and what is on them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from google.api_core import exceptions as gexc
from google.api_core.retry_async import AsyncRetry
from google.cloud import vision_v1 as vision


@dataclass(frozen=True)
class Word:
    text: str
    confidence: float
    box: list[tuple[int, int]]


class PageReader:
    def __init__(self) -> None:
        self._client = vision.ImageAnnotatorAsyncClient()

    async def read(self, uris: list[str]) -> list[list[Word]]:
        requests = [
            vision.AnnotateImageRequest(
                image=vision.Image(source=vision.ImageSource(image_uri=uri)),
                features=[vision.Feature(type_=vision.Feature.Type.DOCUMENT_TEXT_DETECTION)],
                image_context=vision.ImageContext(language_hints=["de", "en"]),
            )
            for uri in uris
        ]
        try:
            answer = await self._client.batch_annotate_images(requests=requests, retry=AsyncRetry(deadline=60))
        except gexc.InvalidArgument as error:
            raise ValueError(f"not pages: {uris}") from error
        return [list(self._words(one.full_text_annotation)) for one in answer.responses]

    def _words(self, annotation):
        for page in annotation.pages:
            for block in page.blocks:
                for paragraph in block.paragraphs:
                    for word in paragraph.words:
                        text = "".join(symbol.text for symbol in word.symbols)
                        corners = [(v.x, v.y) for v in word.bounding_box.vertices]
                        yield Word(text=text, confidence=word.confidence, box=corners)


async def main(uris: list[str]) -> None:
    reader = PageReader()
    groups = [uris[i : i + 16] for i in range(0, len(uris), 16)]
    for words in await asyncio.gather(*(reader.read(group) for group in groups)):
        print(sum(len(page) for page in words))
