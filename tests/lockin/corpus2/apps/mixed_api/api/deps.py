from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Annotated, Any

import aioboto3
from fastapi import Depends
from google.cloud import vision

session = aioboto3.Session()


@asynccontextmanager
async def aws(name: str) -> AsyncIterator[Any]:
    async with session.client(name, region_name="eu-central-1") as client:
        yield client


async def textract() -> AsyncIterator[Any]:
    async with session.client("textract") as client:
        yield client


@lru_cache(maxsize=1)
def annotator() -> vision.ImageAnnotatorClient:
    return vision.ImageAnnotatorClient()


Textract = Annotated[Any, Depends(textract)]
Annotator = Annotated[vision.ImageAnnotatorClient, Depends(annotator)]
