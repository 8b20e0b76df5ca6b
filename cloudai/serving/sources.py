"""Where the models come from: the provider that the settings name, found in the registry, never imported by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudai.errors import Unsupported
from cloudai.serving.engine import ServesModels

if TYPE_CHECKING:
    from cloudai.serving.engine import ModelSource
    from cloudai.serving.settings import ServeSettings


def open_source(settings: ServeSettings) -> ModelSource:
    """The models of the settings' folder. Raises `Unsupported` for a provider without an engine of its own."""
    from cloudai.registry import Registry

    provider = Registry.installed().get(settings.provider, where="--provider").provider
    if not isinstance(provider, ServesModels):
        raise Unsupported(f"provider {settings.provider!r} has no engine for models on this machine")
    return provider.open_models(settings.folder, device=settings.device, threads=settings.threads)
