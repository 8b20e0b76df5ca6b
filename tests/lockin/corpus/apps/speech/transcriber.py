"""Calls are transcribed, translated and summarised."""

import os
import threading

import azure.cognitiveservices.speech as speechsdk


class CallTranscriber:
    def __init__(self, language="de-DE"):
        self.speech_config = speechsdk.SpeechConfig(
            subscription=os.environ["SPEECH_KEY"], region="westeurope"
        )
        self.speech_config.speech_recognition_language = language
        self.speech_config.set_property(
            speechsdk.PropertyId.SpeechServiceConnection_InitialSilenceTimeoutMs, "5000"
        )
        self.speech_config.endpoint_id = "8f1c2f6e-98a7-4f3b-8b77-0a3a6d2f9b11"

    def short(self, path):
        audio_config = speechsdk.audio.AudioConfig(filename=path)
        recognizer = speechsdk.SpeechRecognizer(speech_config=self.speech_config, audio_config=audio_config)
        result = recognizer.recognize_once_async().get()
        if result.reason == speechsdk.ResultReason.RecognizedSpeech:
            return result.text
        if result.reason == speechsdk.ResultReason.Canceled:
            details = result.cancellation_details
            raise RuntimeError(details.error_details)
        return ""

    def long(self, path):
        audio_config = speechsdk.audio.AudioConfig(filename=path)
        recognizer = speechsdk.SpeechRecognizer(self.speech_config, audio_config)
        done, lines = threading.Event(), []
        recognizer.recognized.connect(lambda evt: lines.append((evt.result.offset, evt.result.text)))
        recognizer.session_stopped.connect(lambda evt: done.set())
        recognizer.start_continuous_recognition()
        done.wait()
        recognizer.stop_continuous_recognition()
        return lines
