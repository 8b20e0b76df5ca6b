"""Reads the files of a scan into sources and finds; a file that can't be read is skipped with the reason.

Python that can't concern a vendor is parsed for its syntax alone: what decides is whether it, or a module that it
imports, names one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from cloudai.lockin import cloudformation, notebooks, requirements, terraform
from cloudai.lockin.catalog import of_module, sdk_vendor
from cloudai.lockin.modules import Source, Unreadable, decoded, imported_words, parsed, source
from cloudai.lockin.scanned import Find, Skipped
from cloudai.lockin.walking import Candidate

_VENDOR = re.compile(
    r"boto|google\.|googleapi|(?:from|import) (?:google|azure)|azure\.|azureml|cloudai|sagemaker|vertexai|arn:aws"
    r"|amazonaws|amazon_transcribe|cognitive|speech\.microsoft|textract|\btrp\b|msrest|openai|langchain_|projects/"
    r"|Neural\b|prebuilt-|docker\.pkg\.dev|[Oo]cp-[Aa]pim|/v\d\.\d\b|imageanalysis|speechtotext|texttospeech|contentsafety"
    r"|formrecognizer|documentintelligence|translator/text"
)
_Progress = Callable[[int, int], None]


class Reader:
    """What was read so far."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.finds: list[Find] = []
        self.skipped: list[Skipped] = []
        self.files = 0
        self._plain: dict[str, str] = {}

    def read(self, candidates: Iterable[Candidate], progress: _Progress | None) -> None:
        """All of them; `progress(done, total)` after each."""
        chosen = list(candidates)
        for done, candidate in enumerate(chosen, 1):
            self._one(candidate)
            if progress is not None:
                progress(done, len(chosen))
        self._wanted()

    def _one(self, candidate: Candidate) -> None:
        try:
            data = candidate.path.read_bytes()
            form = candidate.form
            if form == "template" and not cloudformation.is_template(candidate.name, data):
                return
            text = decoded(data, python=form == "python", notebook=form == "notebook", marked=form == "manifest")
            self._by_form(candidate, text)
            self.files += 1
        except Unreadable as problem:
            self.skipped.append(Skipped(file=candidate.name, reason=problem.reason, line=problem.line))
        except OSError as error:
            self.skipped.append(Skipped(file=candidate.name, reason=f"can't be read: {error.strerror or error}"))

    def _by_form(self, candidate: Candidate, text: str) -> None:
        name = candidate.name
        match candidate.form:
            case "python" if not _VENDOR.search(text):
                self._lost(name, parsed(text).lost)
                self._plain[name] = text
            case "python":
                self.sources.append(source(name, text))
                self._lost(name, self.sources[-1].lost)
            case "notebook":
                self._notebook(name, text)
            case "manifest":
                self._manifest(name, text)
            case "terraform":
                self.finds += terraform.find_resources(name, text)
            case _:
                self.finds += cloudformation.find_resources(name, text)

    def _lost(self, name: str, lines: tuple[tuple[int, str], ...]) -> None:
        self.skipped += [Skipped(file=name, line=line, reason=f"a line {reason}") for line, reason in lines]

    def _manifest(self, name: str, text: str) -> None:
        self.finds += requirements.find_packages(name, text)
        if name.endswith("setup.py") and _VENDOR.search(text):
            self.sources.append(source(name, text))

    def _notebook(self, name: str, text: str) -> None:
        notebook = notebooks.read_notebook(name, text)
        self.sources.append(notebook.source)
        self.finds += notebooks.notebook_finds(name, notebook)
        self.skipped += [Skipped(file=name, reason=reason, line=line) for line, reason in notebook.skipped]

    def _wanted(self) -> None:
        """Modules that name no vendor, but import one that does or are imported by it: its objects get there."""
        fresh = [s for s in self.sources if any(of_module(name) or sdk_vendor(name) for name, _ in s.imports)]
        for _ in range(4):
            if not fresh:
                break
            stems = {_stem(entry.file) for entry in fresh} - {"setup"}
            asked = {word for entry in fresh for name, _ in entry.imports for word in name.split(".")}
            found = [n for n, text in self._plain.items() if _stem(n) in asked or imported_words(text) & stems]
            fresh = [source(name, self._plain.pop(name)) for name in sorted(found)]
            self.sources += fresh
        self.sources.sort(key=lambda entry: entry.file)


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    return path.parent.name if path.stem == "__init__" else path.stem
