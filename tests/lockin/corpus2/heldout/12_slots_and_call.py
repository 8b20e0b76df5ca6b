from google.cloud import speech_v1p1beta1 as speech


class Transcriber:
    __slots__ = ("_client", "_config")

    def __init__(self, language="en-US", **extra):
        self._client = speech.SpeechClient()
        self._config = speech.RecognitionConfig(language_code=language, max_alternatives=2, **extra)

    def __call__(self, data):
        answer = self._client.recognize(config=self._config, audio=speech.RecognitionAudio(content=data))
        return self

    @property
    def words(self):
        stream = self._client.streaming_recognize(requests=iter(()), config=self._config)
        return [w.word for r in stream for x in r.results for w in x.alternatives[0].words]


transcribe = Transcriber(enable_word_time_offsets=True)
transcribe(b"")
