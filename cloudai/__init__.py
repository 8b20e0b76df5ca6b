"""cloudai: managed vision, speech, translation and custom models of three clouds and your own machine, behind one
typed interface, swapped by a config file; and what they cost.

    from cloudai import Client

    with Client() as client:
        print(client.vision.read_text("photo.png").text)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudai.client import AsyncClient, Choice, Client, ConfigWarning, Explanation
    from cloudai.config import Config, load_config
    from cloudai.errors import (
        CloudAIError,
        ConfigError,
        ErrorCode,
        InvalidInput,
        MissingDependency,
        ServiceError,
        TooLarge,
        Unsupported,
    )
    from cloudai.types.results import Money, Notice, PriceRef, Result, Usage
    from cloudai.types.tensor import Tensor

__version__ = "0.1.0"

_HOMES = {
    "cloudai.client": ("AsyncClient", "Choice", "Client", "ConfigWarning", "Explanation"),
    "cloudai.config": ("Config", "load_config"),
    "cloudai.errors": (
        "CloudAIError",
        "ConfigError",
        "ErrorCode",
        "InvalidInput",
        "MissingDependency",
        "ServiceError",
        "TooLarge",
        "Unsupported",
    ),
    "cloudai.types.results": ("Money", "Notice", "PriceRef", "Result", "Usage"),
    "cloudai.types.tensor": ("Tensor",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AsyncClient",
    "Choice",
    "Client",
    "CloudAIError",
    "Config",
    "ConfigError",
    "ConfigWarning",
    "ErrorCode",
    "Explanation",
    "InvalidInput",
    "MissingDependency",
    "Money",
    "Notice",
    "PriceRef",
    "Result",
    "ServiceError",
    "Tensor",
    "TooLarge",
    "Unsupported",
    "Usage",
    "load_config",
]


def __getattr__(name: str) -> object:
    """Names are loaded when they are first asked for: `import cloudai` costs next to nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'cloudai' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
