"""What a training job is made of: its source as one archive with the runner in it, its inputs as listings, its name.

For the providers' drivers: `prepare(job)` reads everything once, and gives the archive to upload, the listing of each
input, and the submission's name, which is the same for the same job.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from cloudai.errors import InvalidInput, TooLarge
from cloudai.training.runner import variable
from cloudai.types.custom import TrainingJob

RUNNER = "cloudai_runner.py"
JOB = "cloudai_job.json"
IGNORED = (".git", "__pycache__", "*.pyc", ".venv", ".ipynb_checkpoints", ".DS_Store", ".cloudai")
IGNORE_FILE = ".cloudaiignore"
AGAIN = "cloudai-again"
"""A tag with this name makes the same job another one: `--again`."""
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
SETTLED_NS = 2_000_000_000
"""A file that was written less long ago may be written again without another time of change: clocks tick."""
MAX_BYTES = 512 * 1024 * 1024
SHIPPED = ("__init__.py", "export.py", "export_model.py", "export_strip.py")
"""Files of `cloudai.training` that a script may use where cloudai is not installed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """One file of an input channel: `hash` is a SHA-256, or an object's etag or generation."""

    name: str
    size: int
    hash: str


Lister = Callable[[str], Iterable[Listed]]
"""The objects below a remote address, with their etags."""


@dataclass(frozen=True, kw_only=True)
class SourcePackage:
    """The source folder with the runner in it, as the platforms unpack it."""

    files: dict[str, bytes]
    """Path in the archive -> content, in order."""
    own: frozenset[str]
    """Those that are the user's: the others ship with cloudai."""

    @cached_property
    def sha256(self) -> str:
        """Of all paths and contents, however they are packed."""
        return digest((path, hashlib.sha256(data).hexdigest()) for path, data in self.files.items())

    @cached_property
    def source_sha256(self) -> str:
        """Of the user's own: the same with a newer cloudai."""
        mine = ((path, data) for path, data in self.files.items() if path in self.own)
        return digest((path, hashlib.sha256(data).hexdigest()) for path, data in mine)

    @cached_property
    def targz(self) -> bytes:
        """The archive: sorted, all times 0, nobody's. The same files give the same bytes."""
        buffer = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0, compresslevel=6) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for path, data in self.files.items():
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode = len(data), 0o755 if data.startswith(b"#!") else 0o644
                archive.addfile(entry, io.BytesIO(data))
        return buffer.getvalue()

    @property
    def file_name(self) -> str:
        """`source-0123456789ab.tar.gz`: uploaded once for all jobs with this source."""
        return f"source-{self.sha256[:12]}.tar.gz"

    def unpack(self, folder: Path) -> None:
        """Writes the files below `folder`."""
        for path, data in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A job, read: what is uploaded, and what it is known by."""

    job: TrainingJob
    name: str
    """`{job.name}-{10 hex digits}`: letters, digits and hyphens, at most 63 of them."""
    package: SourcePackage
    data: dict[str, tuple[Listed, ...]]
    """Channel -> its files. A remote channel that nobody listed is one entry: its address."""
    hashes: dict[str, str]
    """`source`, `requirements`, `data`, `environment`, `hyperparameters`, `job`: what `cloudai runs diff` compares."""


def prepare(job: TrainingJob, *, lister: Lister | None = None, max_bytes: int = MAX_BYTES) -> Prepared:
    """Reads the source and the local inputs. `lister` gives the objects of remote ones.

    Raises `InvalidInput` for a script, requirements file or input that is not there and for channels that a script
    can't tell apart, `TooLarge` for a source above
    `max_bytes`.
    """
    _must_differ(job.inputs)
    package = pack(job, max_bytes=max_bytes)
    data = {channel: listing(f"input {channel}", address, lister) for channel, address in sorted(job.inputs.items())}
    hashes = _hashes(job, package, data)
    return Prepared(job=job, name=named_by(job.name, hashes["job"]), package=package, data=data, hashes=hashes)


def _must_differ(channels: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for channel in sorted(channels):
        other = seen.setdefault(variable(channel), channel)
        if other != channel:
            raise InvalidInput(f"inputs {other} and {channel} are both CLOUDAI_INPUT_{variable(channel)}: rename one")


def submission_name(job: TrainingJob, *, lister: Lister | None = None) -> str:
    """The name that a job is submitted under: the same for the same job, wherever it is and whoever submits it."""
    return prepare(job, lister=lister).name


def processes_per_machine(job: TrainingJob) -> int:
    """How many processes the runner starts on each machine (`CLOUDAI_PROCESSES`): of torch, one per accelerator."""
    return max(1, job.accelerator.count) if job.framework == "pytorch" else 1


def masked(environment: Mapping[str, str]) -> dict[str, str]:
    """For plans and logs: without the values of variables that are named like secrets."""
    return {name: "***" if _SECRET.search(name) else value for name, value in environment.items()}


def is_remote(address: str) -> bool:
    """Whether an input's address has a scheme: `s3://`, `gs://`, `https://`, `azureml://`."""
    return len(urlsplit(address).scheme) > 1 and "://" in address


def named_by(name: str, content: str) -> str:
    """`{name}-{10 hex digits}`, at most 63 characters: what a submission is called. `content`: the digest of it."""
    return f"{name[:52].rstrip('-')}-{content[:10]}"


def digest(rows: Iterable[tuple[str, ...]]) -> str:
    """One SHA-256 of rows of text, whatever is in them."""
    return hashlib.sha256(json.dumps(list(rows), ensure_ascii=True).encode()).hexdigest()


def _hashes(job: TrainingJob, package: SourcePackage, data: dict[str, tuple[Listed, ...]]) -> dict[str, str]:
    parts = {
        **_of_source(job, package),
        "data": digest((channel, f.name, str(f.size), f.hash) for channel, files in data.items() for f in files),
        "environment": digest([(job.framework or "", job.image or ""), *sorted(job.environment.items())]),
        "hyperparameters": digest_of_hyperparameters(job.hyperparameters),
    }
    machine = job.model_dump_json(include={"accelerator", "nodes", "spot", "checkpoint", "output", "max_seconds"})
    return {
        **parts,
        "job": digest(
            [*parts.items(), ("script", job.script), ("machine", machine), ("again", job.tags.get(AGAIN, ""))]
        ),
    }


def _of_source(job: TrainingJob, package: SourcePackage) -> dict[str, str]:
    requirements = package.files.get(job.requirements or "", b"")
    return {"source": package.source_sha256, "requirements": hashlib.sha256(requirements).hexdigest()}


def digest_of_hyperparameters(values: Mapping[str, object]) -> str:
    """Of their names and their values as JSON."""
    return digest((name, json.dumps(value)) for name, value in sorted(values.items()))


# --- the source ------------------------------------------------------------------------------------------


def pack(job: TrainingJob, *, max_bytes: int = MAX_BYTES) -> SourcePackage:
    """The job's source folder without what `.cloudaiignore` (one pattern a line) and `IGNORED` name."""
    root = Path(job.source)
    if not root.is_dir():
        raise InvalidInput(f"job {job.name}: the source folder {job.source} is not there")
    files: dict[str, bytes] = {}
    left = max_bytes
    for path in _sources(root):
        data = path.read_bytes()
        left -= len(data)
        if left < 0:
            raise TooLarge(
                f"job {job.name}: {job.source} holds more than {max_bytes >> 20} MiB of source: "
                f"name what is not source in {IGNORE_FILE}, and give data as inputs"
            )
        files[path.relative_to(root).as_posix()] = data
    for what, named in (("script", job.script), ("requirements file", job.requirements)):
        if named is not None and named not in files:
            raise InvalidInput(f"job {job.name}: the {what} {named} is not in {job.source}")
    own = SourcePackage(files=dict(sorted(files.items())), own=frozenset(files))
    return SourcePackage(files=dict(sorted({**files, **_shipped(job, own)}.items())), own=own.own)


def _shipped(job: TrainingJob, own: SourcePackage) -> dict[str, bytes]:
    """What ships beside the user's source. The runner prints the hashes: a run's log says what it was made of."""
    here = Path(__file__).parent
    described = json.dumps({"script": job.script, "requirements": job.requirements, "hashes": _of_source(job, own)})
    shipped = {f".cloudai/cloudai/training/{name}": here / name for name in SHIPPED}
    return {
        RUNNER: (here / "runner.py").read_bytes(),
        JOB: described.encode(),
        ".cloudai/cloudai/__init__.py": b"",
        **{path: source.read_bytes() for path, source in shipped.items() if source.exists()},
    }


def _sources(root: Path) -> Iterator[Path]:
    """Plain files, sorted; links that leave the folder are not followed."""
    ignore_file = root / IGNORE_FILE
    own = ignore_file.read_text(encoding="utf-8").splitlines() if ignore_file.is_file() else []
    patterns = (*IGNORED, *(line.strip() for line in own if line.strip() and not line.startswith("#")))
    yield from _below(root, root, patterns)


def _below(folder: Path, root: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if _ignored(path.relative_to(root).as_posix(), patterns) or not path.resolve().is_relative_to(root.resolve()):
            continue
        if path.is_dir():
            if not path.is_symlink():
                yield from _below(path, root, patterns)
        elif path.is_file():
            yield path


def _ignored(relative: str, patterns: tuple[str, ...]) -> bool:
    name = PurePosixPath(relative).name
    if relative in (RUNNER, JOB):
        return True
    return any(fnmatch(name, pattern.rstrip("/")) or fnmatch(relative, pattern.strip("/")) for pattern in patterns)


# --- the inputs ------------------------------------------------------------------------------------------


def listing(what: str, address: str, lister: Lister | None = None) -> tuple[Listed, ...]:
    """The files of a folder, sorted, or a file alone, or the objects below a remote address.

    Raises `InvalidInput`, beginning with `what`, for one that is not there.
    """
    if is_remote(address):
        found = tuple(lister(address)) if lister is not None else ()
        return found or (Listed(name=address, size=0, hash=""),)
    path = Path(address)
    if not path.exists():
        raise InvalidInput(f"{what}: {address} is not there")
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    base = path.parent if path.is_file() else path
    return tuple([_listed(file, base) for file in files])


def _listed(file: Path, base: Path) -> Listed:
    """A plan, its submission and the runs of a sweep read large data once."""
    state = file.stat()
    settled = time.time_ns() - state.st_ctime_ns > SETTLED_NS
    hash_of = _hash_of if settled else _hash_of.__wrapped__
    found = hash_of(file, state.st_ino, state.st_size, state.st_ctime_ns)
    return Listed(name=file.relative_to(base).as_posix(), size=state.st_size, hash=found)


@lru_cache(maxsize=100_000)
def _hash_of(file: Path, inode: int, size: int, changed: int) -> str:
    """Of a file as it stands. All but the path is there for the cache: no write leaves the time of the last change."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
