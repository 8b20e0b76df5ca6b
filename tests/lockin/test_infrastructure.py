"""Requirement files, Terraform and CloudFormation: what names a vendor's AI service, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudai.lockin import scan


def found(tmp_path: Path, name: str, text: str) -> set[tuple[int, str, str, str]]:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return {(find.line, find.provider, find.service, find.name) for find in scan(tmp_path).finds}


SPEECH = ("gcp", "speech", "google-cloud-speech")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        (
            "requirements.txt",
            "-r base.txt\n# google-cloud-vision\ngoogle-cloud-speech[grpc] >= 2 ; x > '3'\n",
            3,
        ),
        ("requirements/prod.txt", "google-cloud-speech @ https://example.org/a.whl\n", 1),
        ("requirements-dev.in", "google-cloud-speech\n", 1),
        ("pyproject.toml", '[project]\ndependencies = [\n  "google-cloud-speech>=2",\n]\n', 3),
        ("pyproject.toml", '[project.optional-dependencies]\nx = ["a", "google-cloud-speech"]\n', 2),
        ("pyproject.toml", '[dependency-groups]\ndev = ["google-cloud-speech"]\n', 2),
        ("pyproject.toml", '[tool.poetry.group.x.dependencies]\ngoogle-cloud-speech = "^2"\n', 2),
        ("setup.cfg", "[options]\ninstall_requires =\n    google-cloud-speech\n", 3),
        ("setup.py", 'from setuptools import setup\nsetup(install_requires=[\n"google-cloud-speech>2"])\n', 3),
        ("Pipfile", '[packages]\ngoogle-cloud-speech = "*"\n', 2),
        ("environment.yml", "dependencies:\n  - conda-forge::google-cloud-speech=2\n", 2),
        ("Dockerfile", "FROM python\nRUN pip install a \\\n    google-cloud-speech==2 && rm -r /x\n", 3),
    ],
)
def test_a_package_is_found_in_every_kind_of_requirement_file(tmp_path: Path, name: str, text: str, line: int) -> None:
    assert found(tmp_path, name, text) == {(line, *SPEECH)}


@pytest.mark.parametrize("spelling", ["Google_Cloud_Speech", "google.cloud.speech", "GOOGLE-CLOUD-SPEECH"])
def test_spellings_of_a_package_are_one(tmp_path: Path, spelling: str) -> None:
    assert found(tmp_path, "requirements.txt", f"{spelling}==2\n") == {(1, "gcp", "speech", spelling)}


def test_a_package_whose_name_only_starts_alike_is_none(tmp_path: Path) -> None:
    assert found(tmp_path, "requirements.txt", "google-cloud-speech-extras\ngoogle-cloud-storage\nboto\n") == set()


def test_boto3_counts_where_an_ai_service_is_used_through_it(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('import boto3\nboto3.client("s3").list_buckets()\n', encoding="utf-8")
    assert found(tmp_path, "requirements.txt", "boto3\n") == set()
    (tmp_path / "b.py").write_text('import boto3\nboto3.client("polly")\n', encoding="utf-8")
    assert (1, "aws", "", "boto3") in found(tmp_path, "requirements.txt", "boto3\n")


def test_terraform_comments_are_no_resources(tmp_path: Path) -> None:
    text = """\
/* resource "aws_rekognition_collection" "a" {
*/
# resource "aws_rekognition_collection" "b" {}
// resource "aws_rekognition_collection" "c" {}
resource "aws_rekognition_collection" "d" { collection_id = "https://example.org/#x" }
data "aws_sagemaker_prebuilt_ecr_image" "e" {
}
"""
    assert found(tmp_path, "main.tf", text) == {
        (5, "aws", "rekognition", "aws_rekognition_collection"),
        (6, "aws", "sagemaker", "aws_sagemaker_prebuilt_ecr_image"),
    }


def test_terraform_permissions_roles_and_enabled_apis_are_found(tmp_path: Path) -> None:
    text = """\
resource "google_project_service" "a" {
  service = "documentai.googleapis.com"
}
resource "google_project_service" "b" {
  service = "storage.googleapis.com"
}
resource "google_project_iam_member" "c" {
  role = "roles/aiplatform.user"
}
resource "aws_iam_policy" "d" {
  policy = jsonencode({ Statement = [{ Action = ["transcribe:*", "s3:GetObject"] }] })
}
"""
    assert found(tmp_path, "main.tf", text) == {
        (1, "gcp", "documentai", "google_project_service"),
        (8, "gcp", "aiplatform", "roles/aiplatform.user"),
        (11, "aws", "transcribe", "transcribe:*"),
    }


def test_terraform_heredocs_have_no_comments(tmp_path: Path) -> None:
    text = """\
resource "aws_iam_role_policy" "p" {
  policy = <<-EOT
    # part of the text: https://example.org/
    {"Action": "polly:SynthesizeSpeech"} // as this is
  EOT
}
resource "aws_transcribe_vocabulary" "v" {} # a comment after it
"""
    assert found(tmp_path, "main.tf", text) == {
        (4, "aws", "polly", "polly:SynthesizeSpeech"),
        (7, "aws", "transcribe", "aws_transcribe_vocabulary"),
    }


def test_every_enabled_api_is_found_in_sets_modules_and_locals(tmp_path: Path) -> None:
    text = """\
resource "google_project_service" "apis" {
  for_each = toset(["vision.googleapis.com", "run.googleapis.com", "speech.googleapis.com"])
  service  = each.value
}
module "project" {
  activate_apis = ["documentai.googleapis.com", "storage.googleapis.com"]
}
"""
    assert found(tmp_path, "main.tf", text) == {
        (1, "gcp", "vision", "google_project_service"),
        (1, "gcp", "speech", "google_project_service"),
        (6, "gcp", "documentai", "documentai.googleapis.com"),
    }


def test_terraform_as_json_is_read(tmp_path: Path) -> None:
    text = """\
{"resource": {
  "aws_rekognition_collection": {"faces": {"collection_id": "faces"}},
  "azurerm_cognitive_account": {
    "ears": {"name": "ears",
      "kind": "SpeechServices"}
  },
  "aws_sqs_queue": {"q": {}}
}}
"""
    assert found(tmp_path, "main.tf.json", text) == {
        (2, "aws", "rekognition", "aws_rekognition_collection"),
        (3, "azure", "speech", "azurerm_cognitive_account"),
    }


def test_policies_that_the_vendor_manages_are_permissions(tmp_path: Path) -> None:
    text = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  TextractPolicy:
    Type: AWS::Serverless::Function
    Properties:
      Policies:
        - AmazonPollyReadOnlyAccess
        - !Sub "arn:${AWS::Partition}:iam::aws:policy/AmazonTranscribeFullAccess"
        - RekognitionDetectOnlyPolicy: {}
        - S3ReadPolicy: {BucketName: AmazonPollyFans}
"""
    assert found(tmp_path, "t.yaml", text) == {
        (7, "aws", "polly", "AmazonPollyReadOnlyAccess"),
        (8, "aws", "transcribe", "AmazonTranscribeFullAccess"),
        (9, "aws", "rekognition", "RekognitionDetectOnlyPolicy"),
    }


def test_a_template_with_intrinsic_functions_and_aliases_is_read(tmp_path: Path) -> None:
    text = """\
AWSTemplateFormatVersion: "2010-09-09"
Resources:
  Project: &p
    Type: AWS::Rekognition::Project
    Properties: {ProjectName: !Sub "${AWS::StackName}-p"}
  Again: *p
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies: !If [Prod, [{PolicyDocument: {Statement: [{Action: !Split [",", "polly:SynthesizeSpeech"]}]}}], []]
"""
    assert found(tmp_path, "t.yaml", text) == {
        (4, "aws", "rekognition", "AWS::Rekognition::Project"),
        (10, "aws", "polly", "polly:SynthesizeSpeech"),
    }


@pytest.mark.parametrize("name", ["values.yaml", "package.json", "openapi.yml"])
def test_yaml_and_json_that_are_no_templates_are_left_alone(tmp_path: Path, name: str) -> None:
    assert found(tmp_path, name, 'a: "polly:SynthesizeSpeech in AWS, see docs"\n') == set()


def test_a_notebooks_finds_have_the_line_of_the_file_and_the_cell(corpus: Path) -> None:
    finds = scan(corpus / "apps" / "mixed" / "notebooks" / "defects.ipynb").finds
    lines = (corpus / "apps" / "mixed" / "notebooks" / "defects.ipynb").read_text(encoding="utf-8").splitlines()
    assert finds
    for find in finds:
        assert find.name in lines[find.line - 1]
        assert find.cell in (2, 3)


def test_permissions_of_a_serverless_file_are_found(tmp_path: Path) -> None:
    text = """\
service: images
provider:
  name: aws
  iam:
    role:
      statements:
        - Effect: Allow
          Action:
            - rekognition:DetectLabels
            - s3:GetObject
          Resource: arn:${aws:partition}:rekognition:eu-west-1:1:collection/faces
"""
    assert found(tmp_path, "serverless.yml", text) == {
        (9, "aws", "rekognition", "rekognition:DetectLabels"),
        (11, "aws", "rekognition", "arn:${aws:partition}:rekognition:eu-west-1:1:collection/faces"),
    }


def test_permissions_of_a_policy_are_found(tmp_path: Path) -> None:
    text = '{\n "Version": "2012-10-17",\n "Statement": [{"Effect": "Allow",\n  "Action": ["textract:*"]}]\n}\n'
    assert found(tmp_path, "policy.json", text) == {(4, "aws", "textract", "textract:*")}


def test_a_resource_name_whose_partition_is_filled_in_is_an_id(tmp_path: Path) -> None:
    code = 'import boto3\nboto3.client("polly")\nname = f"arn:{part}:polly:{region}:1:lexicon/a"\n'
    assert (3, "aws", "polly", "arn:{}:polly:{}:1:lexicon/a") in found(tmp_path, "a.py", code)
