"""Long audio in windows that a recogniser can take: at most thirty seconds, cut where it is quietest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

RATE: Final = 16_000
WINDOW_SECONDS = 30.0
"""What Whisper was trained on, and the most that onnx-asr reads of one waveform with it."""
SEARCH_SECONDS = 10.0
"""The cut is looked for in so much of the window's end."""
QUIET_SECONDS = 0.2
"""A pause between words is about this long."""
SILENCE = 1e-4
"""A window whose loudest sample is below (-80 dB of full scale) holds nothing to recognise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """One channel at 16 kHz; `start` is in seconds from the start of the audio."""

    start: float
    samples: npt.NDArray[np.float32]

    @property
    def end(self) -> float:
        """Seconds from the start of the audio."""
        return self.start + len(self.samples) / RATE


def windows(samples: npt.NDArray[np.float32]) -> Iterator[Window]:
    """The whole of one channel in order, but for windows of silence."""
    import numpy as np

    start = 0
    while start < len(samples):
        end = _cut(samples, start)
        part = np.ascontiguousarray(samples[start:end])
        if np.abs(part).max() >= SILENCE:
            yield Window(start=start / RATE, samples=part)
        start = end


def _cut(samples: npt.NDArray[np.float32], start: int) -> int:
    """The end of the window that begins at `start`: the middle of the quietest fifth of a second near its limit."""
    import numpy as np

    limit = start + int(WINDOW_SECONDS * RATE)
    if limit >= len(samples):
        return len(samples)
    first = limit - int(SEARCH_SECONDS * RATE)
    quiet = int(QUIET_SECONDS * RATE)
    energy = np.cumsum(samples[first:limit].astype(np.float64) ** 2)
    return first + int(np.argmin(energy[quiet:] - energy[:-quiet])) + quiet // 2
