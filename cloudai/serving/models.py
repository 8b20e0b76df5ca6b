"""What is loaded, by name and version; and hot reload: a changed folder takes the old one's place when it has run once.

A model that can't be loaded any more leaves the loaded one in its place, and is told in the log, in the repository
index and in the metrics. Requests that the old one has taken are answered by it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, ServiceError
from cloudai.serving.batching import Batcher
from cloudai.serving.engine import Engine, Key, ModelSource
from cloudai.serving.metrics import Meters, ModelMeters
from cloudai.serving.protocol import Decoder, Encoder
from cloudai.serving.trial import Trial, tried

log = logging.getLogger("cloudai.serve")


class Model:
    """One loaded version, ready to answer."""

    def __init__(self, engine: Engine, trial: Trial, meters: Meters, *, max_json: int) -> None:
        self.engine = engine
        self.trial = trial
        self.meters: ModelMeters = meters.of(engine.name, engine.version)
        self.batcher = Batcher(engine, trial, self.meters)
        self.decoder = Decoder(engine, max_json=max_json)
        self.encoder = Encoder(engine)

    async def retire(self) -> None:
        """Ends what it has begun, then lets go of its memory."""
        await self.batcher.drained()
        self.batcher.close()
        self.engine.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """One line of the repository index."""

    name: str
    version: str
    state: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Loaded:
    model: Model
    mark: Hashable


class Models:
    """All models of one folder. Methods are called on the event loop's thread; loading happens beside it."""

    def __init__(self, source: ModelSource, meters: Meters, *, max_json: int) -> None:
        self._source, self._meters, self._max_json = source, meters, max_json
        self._loaded: dict[Key, _Loaded] = {}
        self._broken: dict[Key, tuple[Hashable, str]] = {}
        self._unloaded: set[str] = set()
        self._names: dict[str, dict[str, Model]] = {}
        self._seen: Mapping[Key, Hashable] = {}
        self._lock = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()

    # --- looking --------------------------------------------------------------------------------------

    def find(self, name: str, version: str | None) -> Model:
        """The version asked for, or the latest. Raises `InvalidInput` (not_found), or `ServiceError` (unavailable)."""
        versions = self._names.get(name)
        if versions is None:
            raise self._absent(name, version)
        if version is None:
            return next(iter(versions.values()))
        if version not in versions:
            raise self._absent(name, version)
        return versions[version]

    def _absent(self, name: str, version: str | None) -> CloudAIError:
        for (broken, number), (_, reason) in self._broken.items():
            if broken == name and version in (None, number):
                return ServiceError(f"{name} {number} is not ready: {reason}", code=ErrorCode.UNAVAILABLE)
        known = ", ".join(f"{model} ({', '.join(versions)})" for model, versions in self._names.items()) or "none"
        asked = f"{name[:100]!r}" + (f" version {version[:100]!r}" if version else "")
        return InvalidInput(f"no model {asked}; there are: {known}", code=ErrorCode.NOT_FOUND)

    def versions(self, name: str) -> list[str]:
        """Those that answer, the latest first."""
        return list(self._names.get(name, ()))

    def states(self) -> list[State]:
        """The repository index."""
        ready = [State(name=key[0], version=key[1], state="READY", reason=self._stale(key)) for key in self._loaded]
        broken = [
            State(name=name, version=version, state="UNAVAILABLE", reason=reason)
            for (name, version), (_, reason) in self._broken.items()
            if (name, version) not in self._loaded
        ]
        away = [
            State(name=name, version=version, state="UNAVAILABLE", reason="unloaded")
            for name, version in self._seen
            if name in self._unloaded
        ]
        return ready + broken + away

    def _stale(self, key: Key) -> str:
        broken = self._broken.get(key)
        return f"its change can't be loaded: {broken[1]}" if broken else ""

    @property
    def problems(self) -> list[str]:
        """What can't be loaded."""
        return [f"{name} {version}: {reason}" for (name, version), (_, reason) in self._broken.items()]

    @property
    def waiting(self) -> dict[Key, int]:
        """Requests in each queue."""
        return {key: loaded.model.batcher.waiting for key, loaded in self._loaded.items()}

    # --- loading --------------------------------------------------------------------------------------

    async def refresh(self, *, settled: bool = False) -> None:
        """Loads what is new or changed and retires what is gone. With `settled`, a folder is left alone until two
        looks in a row have found it the same: somebody may be writing to it."""
        async with self._lock:
            seen = await asyncio.to_thread(self._source.scan)
            before, self._seen = self._seen, seen
            for key, mark in seen.items():
                known = self._loaded.get(key)
                tried_before = self._broken.get(key)
                if key[0] in self._unloaded or (known and known.mark == mark):
                    continue
                if (tried_before and tried_before[0] == mark) or (settled and before.get(key) != mark):
                    continue
                await self._load(key, mark)
            for key in [key for key in self._loaded if key not in seen or key[0] in self._unloaded]:
                self._retire(key)
            for key in [key for key in self._broken if key not in seen]:
                del self._broken[key]

    async def load(self, name: str) -> None:
        """Now, also when it was unloaded. Raises `InvalidInput` when it is not there or can't be loaded."""
        self._unloaded.discard(name)
        self._broken = {key: value for key, value in self._broken.items() if key[0] != name}
        await self.refresh()
        reasons = [reason for (broken, _), (_, reason) in self._broken.items() if broken == name]
        if reasons:
            raise InvalidInput(reasons[0])
        self.find(name, None)

    async def unload(self, name: str) -> None:
        """Until it is loaded by name. Raises `InvalidInput` when it is not there."""
        self.find(name, None)
        self._unloaded.add(name)
        await self.refresh()

    async def close(self) -> None:
        """Retires all."""
        for key in list(self._loaded):
            self._retire(key)
        await asyncio.gather(*self._retiring)

    async def _load(self, key: Key, mark: Hashable) -> None:
        old = self._loaded.get(key)
        try:
            engine, trial = await asyncio.to_thread(self._open, key)
        except CloudAIError as error:
            self._broken[key] = (mark, error.message)
            self._count(key, "failed")
            kept = "; the loaded one stays" if old else ""
            log.error("%s %s can't be loaded%s: %s", *key, kept, error.message)
            return
        self._broken.pop(key, None)
        model = Model(engine, trial, self._meters, max_json=self._max_json)
        self._loaded[key] = _Loaded(model=model, mark=mark)
        self._arrange()
        self._count(key, "loaded")
        self._meters.ready.labels(*key).set(1)
        log.info("%s %s on %s, batches of up to %d", *key, engine.device, trial.batch)
        for note in trial.notes:
            log.warning("%s %s: %s", *key, note)
        if old is not None:
            self._later(old.model)

    def _open(self, key: Key) -> tuple[Engine, Trial]:
        engine = self._source.load(key)
        return engine, tried(engine)

    def _count(self, key: Key, outcome: str) -> None:
        self._meters.reloads.labels(key[0], outcome).inc()

    def _retire(self, key: Key) -> None:
        loaded = self._loaded.pop(key)
        self._arrange()
        self._meters.forget(*key)
        log.info("%s %s is gone", *key)
        self._later(loaded.model)

    def _later(self, model: Model) -> None:
        task = asyncio.create_task(model.retire())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _arrange(self) -> None:
        """By name, the latest version first: numbers by value, before words."""
        names: dict[str, dict[str, Model]] = {}
        for (name, version), loaded in sorted(self._loaded.items(), key=lambda item: _order(item[0]), reverse=True):
            names.setdefault(name, {})[version] = loaded.model
        self._names = dict(sorted(names.items()))


def _order(key: Key) -> tuple[str, list[tuple[int, str]]]:
    """`1.10` is later than `1.9`; `2` than `10-beta`'s numbers say."""
    return key[0], [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.\-_]", key[1])]
