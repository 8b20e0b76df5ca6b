import threading

import azure.cognitiveservices.speech as speechsdk


class Listener:
    """Hears a conversation until somebody says stop."""

    def __init__(self, key, region, on_text):
        config = speechsdk.SpeechConfig(subscription=key, region=region)
        config.speech_recognition_language = "en-GB"
        config.set_profanity(speechsdk.ProfanityOption.Masked)
        audio = speechsdk.audio.AudioConfig(use_default_microphone=True)
        self._recognizer = speechsdk.SpeechRecognizer(speech_config=config, audio_config=audio)
        self._done = threading.Event()
        self._on_text = on_text
        self._recognizer.recognized.connect(self._recognized)
        self._recognizer.canceled.connect(lambda evt: self._done.set())
        self._recognizer.session_stopped.connect(lambda evt: self._done.set())
        phrases = speechsdk.PhraseListGrammar.from_recognizer(self._recognizer)
        phrases.addPhrase("Contoso")

    def _recognized(self, evt):
        if evt.result.reason == speechsdk.ResultReason.RecognizedSpeech:
            self._on_text(evt.result.text, evt.result.offset / 1e7)

    def run(self):
        self._recognizer.start_continuous_recognition_async().get()
        self._done.wait()
        self._recognizer.stop_continuous_recognition_async()


def one_sentence(path, key, region):
    recognizer = speechsdk.SpeechRecognizer(
        speechsdk.SpeechConfig(key, region),
        speechsdk.AudioConfig(filename=path),
    )
    result = recognizer.recognize_once()
    if result.reason == speechsdk.ResultReason.NoMatch:
        return None
    if result.reason == speechsdk.ResultReason.Canceled:
        details = result.cancellation_details
        raise RuntimeError(details.error_details)
    return result.text
