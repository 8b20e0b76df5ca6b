"""The entry point of the `aws` provider: what it implements, its settings and options. Imports no SDK, no pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudai.settings import BackendSettings, OptionsModel
    from cloudai_aws.async_driver import AsyncAwsDriver
    from cloudai_aws.driver import AwsDriver
    from cloudai_aws.settings import AwsSettings

IMPLEMENTS = frozenset(
    {
        "vision.detect_labels",
        "vision.detect_objects",
        "vision.detect_faces",
        "vision.read_text",
        "vision.read_document",
        "vision.moderate",
        "vision.detect_landmarks",
        "speech.transcribe",
        "speech.synthesize",
        "speech.voices",
        "translation.translate",
        "translation.detect_language",
        "translation.languages",
        "translation.translate_document",
        "custom.train",
        "custom.deploy",
        "custom.predict",
        "custom.batch_predict",
    }
)


class AwsProvider:
    """`provider = "aws"`: Rekognition, Textract, Transcribe, Polly, Translate, Comprehend and SageMaker, by boto3."""

    @property
    def name(self) -> str:
        return "aws"

    @property
    def implements(self) -> frozenset[str]:
        """The operations the driver has code for."""
        return IMPLEMENTS

    @property
    def settings(self) -> type[BackendSettings]:
        from cloudai_aws.settings import AwsSettings

        return AwsSettings

    @property
    def options(self) -> Mapping[str, type[OptionsModel]]:
        """Operation -> its options."""
        from cloudai_aws import settings

        return {
            "vision.detect_labels": settings.LabelOptions,
            "vision.detect_objects": settings.LabelOptions,
            "vision.moderate": settings.ModerationOptions,
            "vision.read_document": settings.DocumentOptions,
            "translation.translate": settings.TranslateOptions,
            "speech.synthesize": settings.SynthesizeOptions,
            "speech.transcribe": settings.TranscribeOptions,
            "custom.train": settings.TrainOptions,
            "custom.deploy": settings.DeployOptions,
            "custom.batch_predict": settings.BatchOptions,
        }

    def open(self, settings: BackendSettings, *, backend: str) -> AwsDriver:
        """A driver for one backend. Credentials are looked up by the first call. Raises `MissingDependency`
        without boto3 and `ConfigError` without a region."""
        checked = _checked(settings, backend)
        from cloudai_aws.driver import AwsDriver

        return AwsDriver(checked, backend=backend)

    def open_async(self, settings: BackendSettings, *, backend: str) -> AsyncAwsDriver:
        """The same, with threads of its own."""
        checked = _checked(settings, backend)
        from cloudai_aws.async_driver import AsyncAwsDriver

        return AsyncAwsDriver(checked, backend=backend)


def _checked(settings: BackendSettings, backend: str) -> AwsSettings:
    """Typed settings, once boto3 is known to be there."""
    from cloudai.errors import ConfigError, MissingDependency
    from cloudai_aws.settings import AwsSettings

    if not isinstance(settings, AwsSettings):
        settings = AwsSettings.model_validate(settings.model_dump())
    if settings.api_key is not None:
        raise ConfigError("aws has no api_key: use access_key_id and secret_access_key, or boto3's own chain")
    try:
        import boto3  # noqa: F401  # the one that may be missing
    except ImportError as error:
        line = "pip install 'cloudai[aws]'"
        raise MissingDependency("boto3 is not installed", install=line, backend=backend) from error
    return settings


PROVIDER = AwsProvider()
