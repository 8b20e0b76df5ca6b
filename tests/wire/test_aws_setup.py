"""How a backend is opened: what is imported when, where region and credentials come from, proxies and certificates."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

sys.path.insert(0, str(Path(__file__).parent))

from aws_answers import aws, settings
from aws_client import config, opened
from aws_server import ACCESS_KEY, SECRET_KEY

from cloudai import Client
from cloudai.config import BackendConfig, Config, Origin, Route
from cloudai.errors import CloudAIError, ConfigError, ErrorCode
from cloudai.testing.samples import picture, tone


def test_the_entry_point_imports_neither_boto3_nor_pydantic() -> None:
    code = (
        "import sys; from cloudai_aws.provider import PROVIDER; assert 'vision.detect_labels' in PROVIDER.implements;"
        "print([name for name in ('boto3', 'botocore', 'pydantic', 'urllib3', 'httpx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_opening_sends_nothing_and_looks_for_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    with aws() as server:
        with opened(server, access_key_id=None, secret_access_key=None):
            pass
        assert server.requests == 0


def test_without_boto3_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with aws() as server, pytest.raises(CloudAIError, match=r"pip install 'cloudai\[aws\]'"):
        opened(server)


def test_credentials_and_region_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with aws() as server:
        with opened(server, access_key_id=None, secret_access_key=None, region=None) as client:
            client.vision.detect_labels(picture())
        assert "/eu-west-1/rekognition/" in server.received[0].headers["Authorization"]


def test_a_profile_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = f"[mine]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    (tmp_path / "credentials").write_text(keys)
    (tmp_path / "config").write_text("[profile mine]\nregion = ap-south-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with aws() as server:
        own = {"access_key_id": None, "secret_access_key": None, "region": None}
        with opened(server, profile="mine", **own) as client:
            client.translation.languages()
        assert "/ap-south-1/translate/" in server.received[0].headers["Authorization"]
        with pytest.raises(ConfigError, match="nobody"):
            opened(server, profile="nobody", **own)


def test_without_a_region_the_config_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with aws() as server, pytest.raises(ConfigError, match="region"):
        opened(server, region=None)


def test_a_secret_comes_from_the_environment_and_is_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", SECRET_KEY)
    with aws() as server, opened(server, secret_access_key="${TEST_SECRET}") as client:
        client.vision.detect_labels(picture())
        driver = client.driver("aws")
        assert SECRET_KEY not in repr(vars(driver)) + repr(driver) + repr(driver._clients._settings)


def test_one_service_may_have_an_endpoint_of_its_own_as_aws_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with aws() as server, aws() as other:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_TRANSLATE", other.url)
        with opened(server, endpoint_url=None) as client:
            client.translation.languages()
            client.vision.detect_labels(picture())
        assert (server.operations(), set(other.operations())) == (["DetectLabels"], {"ListLanguages"})


def test_an_endpoint_of_the_environment_is_held_to_the_same_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session token would go over the network in the open."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://192.0.2.1:8080")
    with aws() as server:
        with opened(server, endpoint_url=None) as client, pytest.raises(ConfigError, match="https"):
            client.vision.detect_labels(picture())
        assert server.requests == 0


# --- TLS and proxies -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_a_certificate_of_ones_own_authority_is_trusted_by_aws_ca_bundle(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with aws(context=context) as server:
        with opened(server) as client, pytest.raises(CloudAIError) as caught:
            client.vision.detect_labels(picture())
        assert caught.value.code is ErrorCode.UNAVAILABLE
        assert server.requests == 0, "a certificate that nobody vouches for was accepted"
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        with opened(server) as client:
            assert client.vision.detect_labels(picture()).labels
            assert client.speech.transcribe(tone(), language="en-US").text == "Hello world."
        staged = next(each for each in server.received if each.operation == "PutObject")
        assert staged.headers["Transfer-Encoding"] == "chunked", "over https botocore sends a checksum after the body"
        assert staged.params["Body"] == tone()


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy is the only one there: the endpoint itself does not exist."""
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with aws() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with opened(proxy, endpoint_url="http://127.0.0.1:9") as client:
            assert client.vision.detect_labels(picture()).labels
        assert proxy.whole_addresses == ["http://127.0.0.1:9/"]
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with opened(proxy) as client:
            assert client.vision.detect_labels(picture()).labels
        assert len(proxy.whole_addresses) == 1


def test_two_backends_of_two_accounts_do_not_mix() -> None:
    with aws() as one, aws() as other:
        other.secrets = {"AKIDOTHER": "other"}
        origin = Origin(place="test")
        keys = {"access_key_id": "AKIDOTHER", "secret_access_key": "other", "region": "eu-west-1"}
        backends = {
            "one": BackendConfig(name="one", provider="aws", values=settings(one), origin=origin),
            "other": BackendConfig(name="other", provider="aws", values=settings(other, **keys), origin=origin),
        }
        routes = (Route(pattern="*", backends=("one", "other"), origin=origin),)
        with Client(Config(source=None, backends=backends, routes=routes)) as client:
            client.vision.detect_labels(picture(), backend="one")
            client.vision.detect_labels(picture(), backend="other")
        assert (one.requests, other.requests) == (1, 1)


def test_a_picture_in_s3_is_read_for_a_backend_that_has_no_s3() -> None:
    from cloudai.testing.samples import SAMPLES

    with aws() as server:
        server.objects["pictures", "a.png"] = picture()
        origin = Origin(place="test")
        backends = dict(config(server).backends) | {
            "scripted": BackendConfig(name="scripted", provider="fake", values={"provider": "fake"}, origin=origin)
        }
        routes = (Route(pattern="*", backends=("scripted", "aws"), origin=origin),)
        with Client(Config(source=None, backends=backends, routes=routes)) as client:
            result = SAMPLES["vision.detect_labels"].with_media("s3://pictures/a.png")(client)
        assert result.backend == "scripted"
        assert server.operations() == ["GetObject"]


os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.parametrize("kind", ["NoCredentialsError", "NoRegionError"])
def test_what_is_missing_on_this_machine_comes_with_what_to_do(kind: str) -> None:
    import botocore.exceptions

    from cloudai_aws.faults import fault_of

    fault = fault_of(getattr(botocore.exceptions, kind)())
    assert fault is not None
    assert "give " in (fault.message or "")
