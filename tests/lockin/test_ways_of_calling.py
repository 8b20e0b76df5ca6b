"""Ways in which people write calls, beside the corpus: what is found in each, by kind and name."""

from __future__ import annotations

import pytest

from cloudai.lockin.modules import source
from cloudai.lockin.python_source import find_in

CASES = {
    "dictcomp": (
        """\
import boto3
s=boto3.Session()
cl={n: s.client(n) for n in ("rekognition","textract")}
cl["rekognition"].detect_text(Image={})
""",
        {"client:rekognition", "client:textract", "operation:detect_text", "parameter:Image"},
    ),
    "to_thread": (
        """\
import boto3, asyncio
c=boto3.client("rekognition")
async def f():
    r = await asyncio.to_thread(c.detect_faces, Image={})
    return r["FaceDetails"]
""",
        {"client:rekognition", "operation:detect_faces", "parameter:Image", "result_field:FaceDetails"},
    ),
    "executor": (
        """\
import boto3, functools
c=boto3.client("rekognition")
async def f(loop):
    r = await loop.run_in_executor(None, functools.partial(c.detect_text, Image={}))
    return r["TextDetections"]
""",
        {"client:rekognition", "operation:detect_text", "parameter:Image", "result_field:TextDetections"},
    ),
    "getattr loop": (
        """\
import boto3
c=boto3.client("rekognition")
for op in ("detect_labels","detect_text"):
    r=getattr(c, op)(Image={})
""",
        {"client:rekognition", "operation:detect_labels", "operation:detect_text", "parameter:Image"},
    ),
    "service kw dict": (
        """\
import boto3
c=boto3.client(**{"service_name":"polly"})
c.describe_voices()["Voices"]
""",
        {"client:polly", "operation:describe_voices", "result_field:Voices"},
    ),
    "match": (
        """\
import boto3
r=boto3.client("rekognition").detect_labels(Image={})
match r:
    case {"Labels": labels}:
        print(labels[0]["Name"])
""",
        {
            "client:rekognition",
            "operation:detect_labels",
            "parameter:Image",
            "result_field:Labels",
            "result_field:Name",
        },
    ),
    "tuple return": (
        """\
import boto3
def f():
    c=boto3.client("rekognition")
    return c, c.detect_labels(Image={})
c, r = f()
r["Labels"]
""",
        {"client:rekognition", "operation:detect_labels", "parameter:Image", "result_field:Labels"},
    ),
    "map lambda": (
        """\
import boto3
r=boto3.client("rekognition").detect_labels(Image={})
n=list(map(lambda l: l["Name"], r["Labels"]))
""",
        {
            "client:rekognition",
            "operation:detect_labels",
            "parameter:Image",
            "result_field:Labels",
            "result_field:Name",
        },
    ),
    "sorted": (
        """\
import boto3
r=boto3.client("rekognition").detect_labels(Image={})
b=sorted(r["Labels"], key=lambda l: l["Confidence"], reverse=True)[0]["Name"]
""",
        {
            "client:rekognition",
            "operation:detect_labels",
            "parameter:Image",
            "result_field:Confidence",
            "result_field:Labels",
            "result_field:Name",
        },
    ),
    "or get": (
        """\
import boto3
r=boto3.client("rekognition").detect_labels(Image={})
for l in (r or {}).get("Labels", []) or []:
    print(f"{l['Name']}")
""",
        {
            "client:rekognition",
            "operation:detect_labels",
            "parameter:Image",
            "result_field:Labels",
            "result_field:Name",
        },
    ),
    "next iter": (
        """\
import boto3
r=boto3.client("rekognition").detect_labels(Image={})
f=next(iter(r["Labels"]), None)
f["Name"]
""",
        {
            "client:rekognition",
            "operation:detect_labels",
            "parameter:Image",
            "result_field:Labels",
            "result_field:Name",
        },
    ),
    "self result": (
        """\
import boto3
class A:
    def a(self):
        self.r=boto3.client("rekognition").detect_labels(Image={})
    def b(self):
        return self.r["Labels"]
""",
        {"client:rekognition", "operation:detect_labels", "parameter:Image", "result_field:Labels"},
    ),
    "itemgetter": (
        """\
import boto3
r=boto3.client("rekognition").detect_labels(Image={})
l,=r["Labels"]
name, conf = l["Name"], l["Confidence"]
""",
        {
            "client:rekognition",
            "operation:detect_labels",
            "parameter:Image",
            "result_field:Confidence",
            "result_field:Labels",
            "result_field:Name",
        },
    ),
    "contextmanager": (
        """\
import boto3
from contextlib import contextmanager
@contextmanager
def cl():
    yield boto3.client("textract")
with cl() as c:
    c.analyze_id(DocumentPages=[])
""",
        {"client:textract", "operation:analyze_id", "parameter:DocumentPages"},
    ),
    "depends": (
        """\
import boto3
from fastapi import Depends
def get():
    return boto3.client("translate")
def route(c=Depends(get)):
    return c.translate_text(Text="a")["TranslatedText"]
""",
        {"client:translate", "operation:translate_text", "parameter:Text", "result_field:TranslatedText"},
    ),
    "stubs": (
        """\
import boto3
from mypy_boto3_rekognition.client import RekognitionClient
def f(c: RekognitionClient):
    return c.detect_labels(Image={})["Labels"]
""",
        {"operation:detect_labels", "parameter:Image", "result_field:Labels"},
    ),
    "botocore exc": (
        """\
import boto3, botocore
c=boto3.client("polly")
try:
    c.synthesize_speech(Text="a")
except botocore.exceptions.ClientError as e:
    print(e.response["Error"]["Code"])
""",
        {"client:polly", "exception:ClientError", "operation:synthesize_speech", "parameter:Text"},
    ),
    "s3 exc": (
        """\
import boto3
from botocore.exceptions import ClientError
c=boto3.client("polly")
s3=boto3.client("s3")
c.describe_voices()
try:
    s3.get_object(Bucket="a")
except ClientError:
    pass
""",
        {"client:polly", "operation:describe_voices"},
    ),
    "old vision": (
        """\
from google.cloud import vision
from google.cloud.vision import types, enums
c=vision.ImageAnnotatorClient()
r=c.annotate_image({"image": {}, "features": [{"type": enums.Feature.Type.LOGO_DETECTION}]})
r.logo_annotations
""",
        {
            "client:ImageAnnotatorClient",
            "operation:annotate_image",
            "parameter:features",
            "parameter:image",
            "result_field:logo_annotations",
        },
    ),
    "batch vision": (
        """\
from google.cloud import vision
c=vision.ImageAnnotatorClient()
fs=[vision.Feature(type_=vision.Feature.Type.TEXT_DETECTION)]
rq=[vision.AnnotateImageRequest(image=vision.Image(), features=fs)]
r=c.batch_annotate_images(requests=rq)
for x in r.responses:
    x.full_text_annotation.text
""",
        {
            "client:ImageAnnotatorClient",
            "operation:batch_annotate_images",
            "parameter:features",
            "parameter:image",
            "parameter:requests",
            "parameter:type_",
            "result_field:full_text_annotation",
            "result_field:responses",
            "result_field:text",
        },
    ),
    "lro": (
        """\
from google.cloud import speech_v1p1beta1 as speech
c=speech.SpeechClient.from_service_account_json("k.json")
op=c.long_running_recognize(config={}, audio={})
for r in op.result(timeout=90).results:
    r.alternatives
""",
        {
            "client:SpeechClient",
            "operation:long_running_recognize",
            "parameter:audio",
            "parameter:config",
            "result_field:alternatives",
            "result_field:results",
        },
    ),
    "aiohttp": (
        """\
import aiohttp
U="https://x.cognitiveservices.azure.com/contentsafety/image:analyze?api-version=1"
async def f():
    async with aiohttp.ClientSession() as s:
        async with s.post(U, json={}) as r:
            d = await r.json()
            return d["categoriesAnalysis"]
""",
        {
            "operation:post",
            "parameter:json",
            "resource_id:https://x.cognitiveservices.azure.com/contentsafety/image:analyze?api-version=1",
            "result_field:categoriesAnalysis",
        },
    ),
    "session http": (
        """\
import requests
class T:
    URL="https://api.cognitive.microsofttranslator.com/translate"
    def __init__(self):
        self.s=requests.Session()
    def t(self, x):
        return self.s.post(self.URL, json=[{"Text":x}]).json()[0]["translations"]
""",
        {
            "operation:post",
            "parameter:json",
            "resource_id:https://api.cognitive.microsofttranslator.com/translate",
            "result_field:translations",
        },
    ),
    "textanalytics": (
        """\
from azure.ai.textanalytics import TextAnalyticsClient
c=TextAnalyticsClient("e","k")
r=c.analyze_sentiment(documents=["a"])[0]
r.sentiment, r.confidence_scores.positive
""",
        {
            "client:TextAnalyticsClient",
            "operation:analyze_sentiment",
            "parameter:documents",
            "result_field:confidence_scores",
            "result_field:positive",
            "result_field:sentiment",
        },
    ),
    "cloudai dict options": (
        """\
import cloudai
c=cloudai.Client()
c.vision.analyze("a.png", operations=["vision.read_text","vision.moderate"], options=dict(aws=dict(MinConfidence=3)))
""",
        {"client:Client", "operation:analyze", "option:MinConfidence"},
    ),
    "chain": (
        """\
import boto3
x = (
    boto3.client("textract")
    .detect_document_text(
        Document={"Bytes": b""},
    )["Blocks"]
)
""",
        {"client:textract", "operation:detect_document_text", "parameter:Document", "result_field:Blocks"},
    ),
    "paginator async": (
        """\
import aioboto3
async def f():
    async with aioboto3.Session().client("rekognition") as c:
        async for p in c.get_paginator("list_faces").paginate(CollectionId="a"):
            for x in p["Faces"]:
                x["FaceId"]
""",
        {
            "client:rekognition",
            "operation:list_faces",
            "parameter:CollectionId",
            "result_field:FaceId",
            "result_field:Faces",
        },
    ),
    "inherit": (
        """\
import boto3
class B:
    service=None
    def __init__(self):
        self.c=boto3.client(self.service)
class R(B):
    service="rekognition"
    def f(self):
        return self.c.detect_labels(Image={})["Labels"]
""",
        {"client:rekognition", "operation:detect_labels", "parameter:Image", "result_field:Labels"},
    ),
    "enum service": (
        """\
import boto3
from enum import Enum
class S(Enum):
    POLLY="polly"
c=boto3.client(S.POLLY.value)
c.synthesize_speech(Text="a")
""",
        {"client:polly", "operation:synthesize_speech", "parameter:Text"},
    ),
    "singleton": (
        """\
import boto3
class C:
    _i=None
    @classmethod
    def get(cls):
        if cls._i is None:
            cls._i=boto3.client("polly")
        return cls._i
C.get().synthesize_speech(Text="a")["AudioStream"].read()
""",
        {"client:polly", "operation:synthesize_speech", "parameter:Text", "result_field:AudioStream"},
    ),
    "decorator retry": (
        """\
import boto3
from tenacity import retry
c=boto3.client("polly")
@retry()
def call(**kw):
    return c.synthesize_speech(**kw)
call(Text="a")["AudioStream"]
""",
        {"client:polly", "operation:synthesize_speech", "parameter:Text", "result_field:AudioStream"},
    ),
    "openai azure": (
        """\
from openai import AzureOpenAI, OpenAI
c=AzureOpenAI(azure_endpoint="https://x.openai.azure.com")
r=c.chat.completions.create(model="gpt", messages=[])
r.choices[0].message.content
o=OpenAI()
o.chat.completions.create(model="gpt")
""",
        {
            "client:AzureOpenAI",
            "operation:create",
            "parameter:messages",
            "parameter:model",
            "resource_id:https://x.openai.azure.com",
            "result_field:choices",
            "result_field:content",
            "result_field:message",
        },
    ),
    "bedrock": (
        """\
import boto3,json
b=boto3.client("bedrock-runtime")
r=b.invoke_model(modelId="anthropic.claude-v2", body="")
json.loads(r["body"].read())["completion"]
""",
        {
            "client:bedrock-runtime",
            "operation:invoke_model",
            "parameter:body",
            "parameter:modelId",
            "result_field:body",
        },
    ),
    "urllib": (
        """\
from urllib.request import Request, urlopen
r=Request("https://vision.googleapis.com/v1/images:annotate", data=b"")
urlopen(r).read()
""",
        {"operation:urlopen", "resource_id:https://vision.googleapis.com/v1/images:annotate"},
    ),
    "fake client class": (
        """\
class SpeechClient:
    def recognize(self, config):
        return config
c=SpeechClient()
c.recognize(config=1)
""",
        set(),
    ),
    "local shadow": (
        """\
def client(x):
    return x
c=client("rekognition")
c.detect_labels(Image=1)
""",
        set(),
    ),
    "genai": (
        """\
from google import genai
c=genai.Client()
r=c.models.generate_content(model="g", contents="a")
r.text
""",
        {"client:Client", "operation:generate_content", "parameter:contents", "parameter:model", "result_field:text"},
    ),
    "vertexai": (
        """\
import vertexai
from vertexai.generative_models import GenerativeModel
m=GenerativeModel("gemini-1.5-pro")
m.generate_content("a").text
""",
        {"client:GenerativeModel", "operation:generate_content", "result_field:text"},
    ),
    "amazon_transcribe": (
        """\
from amazon_transcribe.client import TranscribeStreamingClient
async def f():
    c=TranscribeStreamingClient(region="us-east-1")
    s=await c.start_stream_transcription(language_code="en-US", media_sample_rate_hz=16000)
""",
        {
            "client:TranscribeStreamingClient",
            "operation:start_stream_transcription",
            "parameter:language_code",
            "parameter:media_sample_rate_hz",
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_call_is_found_however_it_is_written(case: str) -> None:
    code, wanted = CASES[case]
    assert {f"{find.kind}:{find.name}" for find in find_in([source("a.py", code)])} == set(wanted)
