import google.cloud.speech
client = google.cloud.speech.SpeechClient()
audio = google.cloud.speech.RecognitionAudio(uri="gs://b/a.flac")
config = google.cloud.speech.RecognitionConfig(language_code="en-US", use_enhanced=True)
reply = client.recognize(config=config, audio=audio)
for result in reply.results:
    print(result.alternatives[0].transcript)
