def make(provider):
    if provider == "google":
        from google.cloud import texttospeech

        return texttospeech.TextToSpeechClient()
    raise ValueError(provider)


voices = make("google").list_voices(language_code="de-DE").voices
print([v.name for v in voices])
