from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Callable

import boto3


def _polly() -> Any:
    return boto3.client("polly")


@dataclass
class Speaker:
    client: Any = field(default_factory=_polly)
    voice: str = "Matthew"
    _speak: Callable[..., Any] = field(init=False)

    def __post_init__(self) -> None:
        self._speak = partial(self.client.synthesize_speech, OutputFormat="mp3", Engine="neural")

    def say(self, text: str) -> bytes:
        with self._speak(Text=text, VoiceId=self.voice)["AudioStream"] as stream:
            return stream.read()

    def voices(self, language: str) -> list[str]:
        pages = self.client.get_paginator("describe_voices").paginate(LanguageCode=language)
        return [voice["Id"] for page in pages for voice in page["Voices"]]


def speaker() -> Speaker:
    return Speaker()
