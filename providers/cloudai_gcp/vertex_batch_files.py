"""The files of a batch prediction on Vertex AI: requests with keys on the way there, results in their order on the way
back.

Vertex AI gives results in any order and in files of its own: https://github.com/googleapis/python-aiplatform/issues/1166.
So a line becomes `{"key": "FILE:LINE", "request": "..."}`, in `input/FILE.jsonl`; the key comes back beside the
prediction. `files.json` beside it has the names and the numbers of lines: `[["a.jsonl", 3], ...]`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from cloudai.errors import InvalidInput, ServiceError
from cloudai.serving.batch_results import error_line, result_file
from cloudai.wirejson import JsonNode, Malformed

SUFFIXES: Final = (".jsonl", ".ndjson", ".json")
"""Objects below a prefix that are read."""
KEY: Final = "key"
REQUEST: Final = "request"
INDEX: Final = "files.json"
INPUTS: Final = "input/*.jsonl"
RESULTS: Final = ("prediction", "errors")
"""How the files begin that Vertex AI writes: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/
projects.locations.batchPredictionJobs has `predictions_0001.jsonl` and `errors_0001.jsonl`, its custom containers write
`prediction.results-00000-of-00001` and `prediction.errors_stats-00000-of-00001`."""


def input_name(number: int) -> str:
    """The staged file with requests number `number`."""
    return f"input/{number:06}.jsonl"


def write_keyed(source: BinaryIO, target: Path, number: int, name: str) -> tuple[int, int]:
    """One input file with keys. The number of its lines, and of those that are not empty: they are given to Vertex AI.

    Raises `InvalidInput` for a line that is no text."""
    lines, requests = 0, 0
    with target.open("wb") as out:
        for lines, line in enumerate(source, start=1):
            text = line.rstrip(b"\r\n")
            if text.strip():
                requests += 1
                out.write(json.dumps({KEY: f"{number}:{lines}", REQUEST: _text(text, name, lines)}).encode() + b"\n")
    return lines, requests


def _text(line: bytes, name: str, number: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"{name}, line {number}: no UTF-8") from None


def index_of(files: Sequence[tuple[str, int]]) -> bytes:
    """`files.json`: names and numbers of lines."""
    return json.dumps([[name, lines] for name, lines in files]).encode()


def read_index(content: bytes) -> list[tuple[str, int]]:
    """Raises `ServiceError` for what is none."""
    try:
        return [(str(name), int(lines)) for name, lines in json.loads(content)]
    except (ValueError, TypeError):
        raise ServiceError(f"{INDEX} of the batch job is not as it was written") from None


@dataclass(kw_only=True)
class Answers:
    """Where the answer to each key is: a place in a file of Vertex AI's. The answers stay on the disk."""

    _files: list[Path] = field(default_factory=list)
    _places: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, path: Path) -> None:
        """Reads one file. Lines without a key say nothing of a request."""
        self._files.append(path)
        with path.open("rb") as file:
            for offset, line in _with_offsets(file):
                node = _parsed(line)
                key = node.text(KEY) if node is not None else ""
                if node is not None and key and (node.at("prediction") or key not in self._places):
                    self._places[key] = (len(self._files) - 1, offset)

    def write(self, folder: Path, files: Iterable[tuple[str, int]]) -> None:
        """For each input file one of the same name: line N is the response to line N, or why there is none."""
        opened = [path.open("rb") for path in self._files]
        try:
            for number, (name, lines) in enumerate(files):
                with result_file(folder, name) as out:
                    for line in range(1, lines + 1):
                        out.write(self._line(opened, f"{number}:{line}") + b"\n")
        finally:
            for file in opened:
                file.close()

    def _line(self, opened: Sequence[BinaryIO], key: str) -> bytes:
        if key not in self._places:
            return error_line("Vertex AI gave no answer to this line")
        number, offset = self._places[key]
        opened[number].seek(offset)
        node = _parsed(opened[number].readline())
        assert node is not None  # it was read before
        return _response(node)


def _with_offsets(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    offset = 0
    for line in file:
        yield offset, line
        offset += len(line)


def _parsed(line: bytes) -> JsonNode | None:
    try:
        node = JsonNode.parse(line)
    except Malformed:
        return None
    return node if isinstance(node.value, dict) else None


def _response(node: JsonNode) -> bytes:
    """The response in a line of results: text, as the bridge in the container made it."""
    prediction, error = node.at("prediction").value, node.at("error").value
    if isinstance(prediction, str):
        return b" ".join(prediction.encode().splitlines())
    if prediction is not None:
        return json.dumps(prediction).encode()
    message = error.get("message") if isinstance(error, dict) else error
    return error_line(str(message or "Vertex AI gives no reason")[:500])
