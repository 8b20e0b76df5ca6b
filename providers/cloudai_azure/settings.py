"""What `[backends.NAME]` may hold for `provider = "azure"`, and the options of one call."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from cloudai.http import HttpSettings
from cloudai.settings import OptionsModel


class AzureSettings(HttpSettings):
    """A key (`api_key`, or `AZURE_AI_KEY`), or Microsoft Entra ID by azure-identity's own chain where there is none.

    `endpoint_url` is the resource's address, for all services: `https://acme.cognitiveservices.azure.com`. Without it
    `region` gives Azure's regional addresses. An address of one service goes before both.
    """

    vision_endpoint: str | None = None
    """Image Analysis 4.0 and Computer Vision 3.2."""
    face_endpoint: str | None = None
    content_safety_endpoint: str | None = None
    document_endpoint: str | None = None
    """Document Intelligence."""
    translator_endpoint: str | None = None
    """Text translation: `https://api.cognitive.microsofttranslator.com` where nothing else is set."""
    document_translation_endpoint: str | None = None
    """Document translation needs the resource's own address."""
    speech_endpoint: str | None = None
    """Speech to text."""
    tts_endpoint: str | None = None
    """Text to speech and its voices."""
    translator_api_version: Literal["2026-06-06", "3.0"] = "2026-06-06"
    """The current version; `3.0` for resources and containers that have only the older one."""
    language_endpoint: str | None = None
    """The Language service, where it detects languages."""
    language_detection: Literal["translator", "language"] = "translator"
    """Who detects languages: Translator 3.0, or the Language service, which bills a record of 1,000 characters."""
    staging: str | None = None
    """A container, or a folder in one, for what Azure reads from Blob storage alone: long recordings and large
    documents are put there and deleted after use. `https://ACCOUNT.blob.core.windows.net/CONTAINER`."""
    staging_account_key: SecretStr | None = None
    """The storage account's key, in base64; where neither it nor a SAS is set, Entra ID's identity signs."""
    staging_sas_token: SecretStr | None = None
    """A SAS of the container (what is behind the `?` of its address) that may read, create, write and delete."""
    blob_endpoint: str | None = None
    """Where objects at `https://ACCOUNT.blob...` are read instead: `http://127.0.0.1:10000/ACCOUNT`."""
    tenant_id: str | None = None
    """Entra ID: of `client_id` and `client_secret`."""
    client_id: str | None = None
    """Entra ID: an application, or without a secret a user-assigned managed identity."""
    client_secret: SecretStr | None = None
    authority: str | None = Field(default=None, pattern=r"^https://")
    """Entra ID of another cloud: `https://login.chinacloudapi.cn`."""
    resource_id: str | None = None
    """Entra ID at Azure's global and regional addresses: `/subscriptions/.../accounts/NAME`."""
    ml_subscription: str | None = None
    """Azure ML: the workspace's subscription."""
    ml_resource_group: str | None = None
    ml_workspace: str | None = None
    ml_endpoint: str | None = None
    """Azure's management of another cloud; `https://management.azure.com` where it is not set."""
    ml_datastore: str = Field(default="workspaceblobstore", pattern=r"^[A-Za-z0-9_]+$")
    """The datastore of sources, inputs, artefacts and models: Blob storage."""
    ml_prefix: str = Field(default="cloudai", pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$")
    """What the names of those blobs begin with."""
    ml_compute: str | None = Field(default=None, pattern=r"^[A-Za-z][A-Za-z0-9-]{1,31}$")
    """A compute cluster of the workspace; otherwise jobs run on serverless compute."""

    @property
    def endpoints(self) -> dict[str, str]:
        """The addresses that are set, by the name of the setting."""
        found: dict[str, str | None] = {"endpoint_url": self.endpoint_url}
        found |= {name: getattr(self, name) for name in type(self).model_fields if name.endswith("_endpoint")}
        return {name: address for name, address in found.items() if address is not None}


class ImageOptions(OptionsModel):
    """`options={"azure": {...}}` of labels, objects, text and captions."""

    model_version: str | None = None
    """`latest`, or a dated version of Image Analysis."""


class FaceOptions(OptionsModel):
    """`options={"azure": {...}}` of `vision.detect_faces`."""

    detection_model: Literal["detection_01", "detection_02", "detection_03"] | None = None
    """`detection_03` where it is not given; with `attributes=True` `detection_01`, which has the most of them."""


class ModerationOptions(OptionsModel):
    """`options={"azure": {...}}` of `vision.moderate`."""

    categories: tuple[Literal["Hate", "SelfHarm", "Sexual", "Violence"], ...] = ()
    """Empty: all four."""


class DocumentOptions(OptionsModel):
    """`options={"azure": {...}}` of `vision.read_document`."""

    model: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{1,63}$")
    """`prebuilt-read` or `prebuilt-layout` where it is not given; another prebuilt model or one of your own."""
    poll_interval: float = Field(default=1.0, gt=0, le=60)
    """Seconds between two looks at the job, where the service names none."""


class TranslateOptions(OptionsModel):
    """`options={"azure": {...}}` of `translation.translate`."""

    allow_fallback: bool | None = None
    """Whether the general system may answer where the custom one can't. Azure's default is true."""


class TranslateDocumentOptions(OptionsModel):
    """`options={"azure": {...}}` of `translation.translate_document`."""

    poll_interval: float = Field(default=2.0, gt=0, le=60)
    """Of a batch: seconds between two looks at the job, where the service names none."""


class TranscribeOptions(OptionsModel):
    """`options={"azure": {...}}` of `speech.transcribe`."""

    model: str | None = None
    """Custom speech: the model's address, used for every locale asked for."""
    time_to_live_hours: int = Field(default=48, ge=6, le=744)
    """Batch: how long Azure keeps the transcript after the job has ended."""
    poll_interval: float = Field(default=5.0, gt=0, le=60)
    """Batch that `transcribe` waits for: seconds between two looks at the job, where the service names none."""


class SynthesizeOptions(OptionsModel):
    """`options={"azure": {...}}` of `speech.synthesize`."""

    output_format: str | None = Field(default=None, pattern=r"^[a-z0-9-]+$")
    """Azure's own name, `audio-48khz-192kbitrate-mono-mp3`, instead of the one that format and rate give."""


class BatchOptions(OptionsModel):
    """`options={"azure": {...}}` of `custom.batch_predict`: how a batch deployment shares out the input files.

    https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-batch
    """

    mini_batch_files: int = Field(default=1, ge=1)
    """Files that the scoring script is given at a time."""
    mini_batch_seconds: int = Field(default=1800, ge=1)
    """What it may take for them, before they are tried again."""
    max_retries: int = Field(default=2, ge=0)
    """How often they are tried again."""
    max_failed_files: int = Field(default=-1, ge=-1)
    """Files that may fail; one more ends the job. -1: any number, but not all of them."""
    workers: int = Field(default=1, ge=1)
    """Processes of the scoring script on each machine."""
