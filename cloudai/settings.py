"""The typed form of a backend's settings and of provider options: what provider authors subclass."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, ValidationInfo


def _from_config_folder(path: Path, info: ValidationInfo) -> Path:
    folder: Path | None = (info.context or {}).get("folder")
    expanded = path.expanduser()
    return expanded if folder is None or expanded.is_absolute() else folder / expanded


ConfigPath = Annotated[Path, AfterValidator(_from_config_folder)]
"""A path in a config file: relative to the folder of that file, `~` is the user's home."""


class BackendSettings(BaseModel):
    """What every `[backends.NAME]` may hold. A provider adds its own keys in a subclass."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, hide_input_in_errors=True)

    provider: str
    region: str | None = None
    endpoint_url: str | None = None
    """Instead of the vendor's: a private endpoint, an emulator, a gateway."""
    api_key: SecretStr | None = None

    def __reduce__(self) -> NoReturn:
        """Settings may hold secrets, and a pickle would have them in the clear."""
        raise TypeError("settings are not pickled: they may hold secrets; pass the config file's path")

    data_classes: tuple[str, ...] = ()
    """What it is cleared for, in words of the user's own: a route with `data_class` asks no other backends."""


class OptionsModel(BaseModel):
    """Base of `options={provider: {...}}` models: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
