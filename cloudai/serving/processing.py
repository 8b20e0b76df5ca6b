"""What a manifest says of images and results, done on the caller's side: for endpoints that take and give tensors.

As for `engine.py`, a provider that can read model folders (`local`) implements the small protocols, and is found in the
registry by what it can do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from cloudai.errors import InvalidInput, MissingDependency

if TYPE_CHECKING:
    from cloudai.types.custom import Prediction
    from cloudai.types.media import Media
    from cloudai.types.tensor import Tensor


class Processing(Protocol):
    """One model folder's manifest at work."""

    def before(self, images: Sequence[Media]) -> tuple[Mapping[str, Tensor], Any]:
        """The graph's input for these images, and where they lie in it. Raises `InvalidInput`."""
        ...

    def after(self, outputs: Mapping[str, Tensor], places: Any) -> tuple[Prediction, ...]:
        """One prediction for each row; `places`: what `before` gave, `None` for tensors of the caller's own."""
        ...


@runtime_checkable
class ReadsManifests(Protocol):
    """A provider that can: the optional part of `cloudai.driver.Provider`."""

    def open_processing(self, folder: Path) -> Processing:
        """Raises `InvalidInput` for a folder that is no model."""
        ...


def processing_of(folder: str | Path) -> Processing:
    """Opened once for as long as its files stay the same. Raises `InvalidInput` for what is no model folder."""
    path = Path(folder).resolve()
    manifest = path / "model.toml"
    if not manifest.is_file():
        raise InvalidInput(f"{folder} has no model.toml: a manifest is that of a model folder")
    return _opened(path, manifest.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _opened(folder: Path, written: int) -> Processing:
    from cloudai.registry import Registry

    registry = Registry.installed()
    for name in registry.names:
        provider = registry.get(name).provider
        if isinstance(provider, ReadsManifests):
            return provider.open_processing(folder)
    raise MissingDependency("nothing here reads manifests", install="pip install 'cloudai[local]'")
