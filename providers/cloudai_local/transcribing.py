"""What the recognition engines share: channels of samples, usage, and what none of them can do."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING

from cloudai.types.results import Notice, Usage
from cloudai.types.speech import ProfanityMode, TranscribeRequest
from cloudai_local import audio
from cloudai_local.asr_windows import RATE
from cloudai_local.engine import Missing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

OPERATION = "speech.transcribe"
GET_A_MODEL = "cloudai local models pull whisper-base"


def packages(*modules: str) -> Missing | None:
    absent = [module for module in modules if find_spec(module) is None]
    if not absent:
        return None
    return Missing(reason=f"{', '.join(absent)} not installed", install=audio.INSTALL)


def samples_of(request: TranscribeRequest) -> npt.NDArray[np.float32]:
    """Channels x samples at 16 kHz: all of them apart, or their mean."""
    import numpy as np

    tracks = audio.decoded(request.audio, RATE)
    return tracks if request.channels else np.asarray(tracks.mean(axis=0, keepdims=True), dtype=np.float32)


def usage(tracks: npt.NDArray[np.float32]) -> tuple[Usage, ...]:
    seconds = round(tracks.shape[1] / RATE, 3)
    return (Usage(meter=OPERATION, unit="second", quantity=Decimal(str(seconds))),)


def unhonoured(request: TranscribeRequest) -> Iterator[Notice]:
    asked = {
        "diarization": request.diarization,
        "alternatives": request.alternatives > 1,
        "profanity": request.profanity not in (None, ProfanityMode.KEEP),
        "languages": len(request.languages) > 1 and request.language is None,
    }
    for name, is_asked in asked.items():
        if is_asked:
            yield Notice(code="option_ignored", message=f"{name}: no local engine for speech has it")
