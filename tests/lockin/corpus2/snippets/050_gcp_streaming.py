from google.cloud import speech

client = speech.SpeechClient()
config = speech.RecognitionConfig(language_code="en-US", profanity_filter=True)
streaming = speech.StreamingRecognitionConfig(config=config, interim_results=True)


def requests(chunks):
    for chunk in chunks:
        yield speech.StreamingRecognizeRequest(audio_content=chunk)


def listen(chunks):
    for response in client.streaming_recognize(streaming, requests(chunks)):
        for result in response.results:
            if result.is_final:
                yield result.alternatives[0].transcript
