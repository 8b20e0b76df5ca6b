"""The entry point of `local`: what it implements, its settings and options. Imports no engine and no pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cloudai.settings import BackendSettings, OptionsModel
    from cloudai_local.driver import LocalDriver
    from cloudai_local.onnx.model import OnnxModel
    from cloudai_local.onnx.serving import OnnxFolders

IMPLEMENTS = frozenset(
    {
        "vision.detect_labels",
        "vision.detect_objects",
        "vision.detect_faces",
        "vision.read_text",
        "vision.read_document",
        "speech.transcribe",
        "speech.synthesize",
        "speech.voices",
        "translation.translate",
        "translation.detect_language",
        "translation.languages",
        "custom.batch_predict",
        "custom.deploy",
        "custom.predict",
        "custom.train",
    }
)


class LocalProvider:
    """`provider = "local"`: this machine. Opening it loads nothing; each engine is loaded by its first call."""

    @property
    def name(self) -> str:
        return "local"

    @property
    def implements(self) -> frozenset[str]:
        """What the driver has code for; `LocalDriver.unavailable` says what is missing on this machine."""
        return IMPLEMENTS

    @property
    def settings(self) -> type[BackendSettings]:
        from cloudai_local.settings import LocalSettings

        return LocalSettings

    @property
    def options(self) -> Mapping[str, type[OptionsModel]]:
        """The same two for each operation: `engine` and `model`."""
        from cloudai_local.settings import LocalOptions

        return dict.fromkeys(IMPLEMENTS, LocalOptions)

    def open(self, settings: BackendSettings, *, backend: str) -> LocalDriver:
        """A driver for one backend. Never fails for a missing engine: the operation says so when it is called."""
        from cloudai_local.driver import LocalDriver
        from cloudai_local.settings import LocalSettings

        if not isinstance(settings, LocalSettings):
            settings = LocalSettings.model_validate(settings.model_dump())
        return LocalDriver(settings, backend=backend)

    def open_models(self, folder: Path, *, device: str, threads: int | None) -> OnnxFolders:
        """Model folders for `cloudai serve`: `cloudai.serving.engine.ServesModels`."""
        from cloudai_local.onnx.choice import require_runtime

        require_runtime()
        from cloudai_local.onnx.serving import OnnxFolders

        return OnnxFolders(folder, device=device, threads=threads)

    def open_processing(self, folder: Path) -> OnnxModel:
        """A manifest at work on the caller's side: `cloudai.serving.processing.ReadsManifests`."""
        from cloudai_local.onnx.choice import require_runtime

        require_runtime()
        from cloudai_local.folders import read_folder
        from cloudai_local.onnx.model import OnnxModel
        from cloudai_local.settings import LocalSettings

        return OnnxModel(read_folder(folder), LocalSettings(provider="local"))


PROVIDER = LocalProvider()
