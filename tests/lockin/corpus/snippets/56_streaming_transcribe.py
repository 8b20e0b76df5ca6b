from google.cloud.speech_v2 import SpeechClient
from google.cloud.speech_v2.types import cloud_speech

client = SpeechClient()
request = cloud_speech.RecognizeRequest(
    recognizer="projects/acme/locations/global/recognizers/_",
    config=cloud_speech.RecognitionConfig(model="chirp_2", language_codes=["en-US"]),
    content=b"",
)
response = client.recognize(request=request)
for r in response.results:
    print(r.alternatives[0].words[0].start_offset)
