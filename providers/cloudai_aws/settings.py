"""What `[backends.NAME]` may hold for `provider = "aws"`, and the options of one call."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from cloudai.errors import ConfigError
from cloudai.settings import BackendSettings, OptionsModel


class AwsSettings(BackendSettings):
    """All optional: without any, credentials and region come from boto3's own chain."""

    profile: str | None = None
    """A profile of `~/.aws/config`."""
    role_arn: str | None = None
    """A role to assume with the credentials found."""
    role_external_id: str | None = None
    """What the role's owner asks others to say."""
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    staging_bucket: str | None = None
    """In the backend's region: where audio is put for Transcribe, documents of several pages for Textract, and where
    Polly writes long speech; objects are deleted after use."""
    staging_prefix: str = "cloudai/"
    sagemaker_role_arn: str | None = Field(default=None, pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$")
    """The role that SageMaker's jobs and endpoints run as: it reads and writes the bucket. Needed by `custom.*`."""
    training_images: Mapping[str, str] = Field(default_factory=dict)
    """Framework -> container, instead of AWS's own."""
    serving_image: str | None = None
    """Instead of AWS's Triton: a container that serves a Triton model repository on SageMaker."""
    connections: int = Field(default=64, ge=1)
    """Kept open to each host at most."""
    poll_seconds: float = Field(default=2.0, gt=0)
    """Between looks at a job that a call waits for."""

    @field_validator("endpoint_url")
    @classmethod
    def _secure(cls, address: str | None) -> str | None:
        if address is None:
            return None
        url = urlsplit(address)
        if url.scheme not in ("https", "http") or not url.hostname:
            raise PydanticCustomError("aws", "an endpoint is https://host or, on this machine, http://127.0.0.1:port")
        if not is_safe(address):
            raise PydanticCustomError(
                "aws", "http:// is taken for this machine only: session tokens travel in a header; use https://"
            )
        return address.rstrip("/")

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise PydanticCustomError("aws", "access_key_id and secret_access_key go together")
        if self.profile is not None and self.access_key_id is not None:
            raise PydanticCustomError("aws", "give a profile or access keys, not both")
        if self.session_token is not None and self.access_key_id is None:
            raise PydanticCustomError("aws", "session_token belongs to access_key_id and secret_access_key")
        if self.role_external_id is not None and self.role_arn is None:
            raise PydanticCustomError("aws", "role_external_id belongs to role_arn")
        return self


def sagemaker_role(settings: AwsSettings) -> str:
    """Raises `ConfigError` without one: which role runs a job is not for us to guess."""
    if settings.sagemaker_role_arn is None:
        raise ConfigError(
            "SageMaker runs jobs and endpoints as a role of your account: set sagemaker_role_arn = "
            "'arn:aws:iam::ACCOUNT:role/NAME' in the backend (docs/endpoints.md has its permissions)"
        )
    return settings.sagemaker_role_arn


def is_safe(address: str) -> bool:
    """`https://`, or `http://` to this machine: requests carry session tokens in a header."""
    url = urlsplit(address)
    return url.scheme == "https" or (url.scheme == "http" and _loopback(url.hostname or ""))


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class LabelOptions(OptionsModel):
    """Filters of Rekognition's GeneralLabels: names and categories in English, at most 100 each."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    include_categories: tuple[str, ...] = ()
    exclude_categories: tuple[str, ...] = ()


class ModerationOptions(OptionsModel):
    """`project_version`: the ARN of a moderation adapter of your own."""

    project_version: str | None = None


class DocumentOptions(OptionsModel):
    """`adapters`: id and version of Textract adapters for queries. `job`: through S3 even where one request would do,
    as for an object in S3 whose name does not say that it is a PDF or TIFF."""

    adapters: tuple[tuple[str, str], ...] = ()
    job: bool = False


class TranslateOptions(OptionsModel):
    """`brevity`: shorter translations, for targets that have it."""

    brevity: bool = False


class SynthesizeOptions(OptionsModel):
    """`engine`: `standard`, `neural`, `long-form` or `generative`; `None`: neural where the voice has it."""

    engine: str | None = Field(default=None, pattern="^(standard|neural|long-form|generative)$")
    lexicons: tuple[str, ...] = Field(default=(), max_length=5)


class TranscribeOptions(OptionsModel):
    """Names of things that exist in the account, and where the transcript goes."""

    vocabulary: str | None = None
    vocabulary_filter: str | None = None
    """Needed for `profanity`: Transcribe has no list of its own."""
    language_model: str | None = None
    redact_pii: tuple[str, ...] = ()
    """Entity types, or `("ALL",)`."""
    output_bucket: str | None = None
    """The transcript is kept there; `None`: in a bucket of AWS, until the job is deleted."""


class TrainOptions(OptionsModel):
    """Of `custom.train`. `metrics`: names printed by the script that CloudWatch should have as metrics too."""

    volume_gb: int = Field(default=50, ge=1)
    """Of the disk, where the instance has none of its own."""
    max_wait_seconds: int | None = Field(default=None, ge=1)
    """With spot: longest time until it ends, waiting for machines included; `None`: twice `max_seconds`."""
    metrics: tuple[str, ...] = Field(default=("loss", "accuracy"), max_length=40)


class DeployOptions(OptionsModel):
    """Of `custom.deploy`."""

    memory_mb: int = Field(default=2048, ge=1024, le=6144, multiple_of=1024)
    """Of a serverless endpoint."""
    max_concurrency: int = Field(default=5, ge=1, le=200)
    """Calls at once of a serverless endpoint."""
    target_invocations: float = Field(default=600.0, gt=0)
    """Calls per minute and instance that the number of instances is kept at, between `min_replicas` and
    `max_replicas`."""


class BatchOptions(OptionsModel):
    """Of `custom.batch_predict`."""

    max_payload_mb: int = Field(default=6, ge=1, le=100)
    """Megabytes that one line may have."""
