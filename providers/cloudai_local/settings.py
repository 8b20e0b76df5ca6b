"""What `[backends.NAME]` may hold for `provider = "local"`, and the options of one call."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from pydantic import Field

from cloudai.settings import BackendSettings, ConfigPath, OptionsModel


class LocalSettings(BackendSettings):
    """All optional: with none of them the installed engines are used as they are."""

    models: ConfigPath | None = None
    """A folder of model folders, each with a `model.toml`; beside it the user's own cache is looked at."""
    serve: Mapping[str, str] = Field(default_factory=dict)
    """Operation -> model: `{"vision.detect_labels" = "flowers"}`. Needed where several models could serve."""
    engines: Mapping[str, str] = Field(default_factory=dict)
    """Operation -> engine: `{"speech.synthesize" = "espeak-ng"}`. Otherwise the first that is there."""
    execution_providers: tuple[str, ...] = ()
    """ONNX Runtime execution providers in order; empty: CUDA where it is there, then CPU."""
    provider_options: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    """Execution provider -> its options, passed through: `{CUDAExecutionProvider = {device_id = "1"}}`."""
    threads: int | None = Field(default=None, ge=1)
    """Threads inside one ONNX Runtime or CTranslate2 call; `None`: the engine's own choice."""
    runs: ConfigPath | None = None
    """Where training runs are kept; `None`: in the user's state folder."""
    endpoints: ConfigPath | None = None
    """Where deployed endpoints are kept; `None`: in the user's state folder."""
    batches: ConfigPath | None = None
    """Where batch jobs are kept; `None`: in the user's state folder."""
    hourly_price: Decimal | None = Field(default=None, ge=0)
    """What an hour of this machine costs, in USD: of training runs, batch jobs and endpoints; `None`: unknown."""


class LocalOptions(OptionsModel):
    """`options={"local": {...}}` of any operation."""

    engine: str | None = None
    """Use this engine for this call."""
    model: str | None = None
    """Use this model folder for this call."""
