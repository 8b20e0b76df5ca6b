import os

from azure.cognitiveservices.speech import (
    AudioConfig,
    SpeechConfig,
    SpeechSynthesisOutputFormat,
    SpeechSynthesizer,
)


def say(text: str, path: str) -> None:
    config = SpeechConfig(subscription=os.environ["SPEECH_KEY"], region="westeurope")
    config.speech_synthesis_voice_name = "en-GB-RyanNeural"
    config.set_speech_synthesis_output_format(SpeechSynthesisOutputFormat.Riff24Khz16BitMonoPcm)
    synthesizer = SpeechSynthesizer(speech_config=config, audio_config=AudioConfig(filename=path))
    result = synthesizer.speak_text_async(text).get()
    print(result.reason, len(result.audio_data))
