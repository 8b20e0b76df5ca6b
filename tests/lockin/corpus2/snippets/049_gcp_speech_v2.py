import os

from google.cloud.speech_v2 import SpeechClient
from google.cloud.speech_v2.types import cloud_speech

PROJECT = os.environ["GOOGLE_CLOUD_PROJECT"]


def transcribe(content: bytes) -> str:
    client = SpeechClient()
    config = cloud_speech.RecognitionConfig(
        auto_decoding_config=cloud_speech.AutoDetectDecodingConfig(),
        language_codes=["en-US"],
        model="chirp_2",
    )
    request = cloud_speech.RecognizeRequest(
        recognizer=f"projects/{PROJECT}/locations/global/recognizers/_",
        config=config,
        content=content,
    )
    response = client.recognize(request=request)
    return " ".join(r.alternatives[0].transcript for r in response.results)
