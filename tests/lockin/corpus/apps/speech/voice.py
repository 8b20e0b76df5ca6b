import os

from azure.cognitiveservices.speech import ResultReason, SpeechConfig, SpeechSynthesizer
from azure.cognitiveservices.speech.audio import AudioOutputConfig

VOICE = "de-DE-KatjaNeural"


def speak(text, path):
    config = SpeechConfig(os.getenv("SPEECH_KEY"), "westeurope")
    config.speech_synthesis_voice_name = VOICE
    output = AudioOutputConfig(filename=path)
    synthesizer = SpeechSynthesizer(speech_config=config, audio_config=output)
    result = synthesizer.speak_text_async(text).get()
    if result.reason != ResultReason.SynthesizingAudioCompleted:
        raise RuntimeError("no speech")
    return result.audio_data


def speak_ssml(synthesizer: SpeechSynthesizer, ssml: str) -> bytes:
    return synthesizer.speak_ssml(ssml).audio_data
