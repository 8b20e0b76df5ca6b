"""Two voices, one switch."""
import boto3
from google.cloud import texttospeech as tts


def google_speak(text: str) -> bytes:
    client = tts.TextToSpeechClient()
    response = client.synthesize_speech(
        input=tts.SynthesisInput(text=text),
        voice=tts.VoiceSelectionParams(language_code="en-US", name="en-US-Wavenet-D"),
        audio_config=tts.AudioConfig(
            audio_encoding=tts.AudioEncoding.MP3,
            effects_profile_id=["telephony-class-application"],
        ),
    )
    return response.audio_content


def polly_speak(text: str) -> bytes:
    polly = boto3.Session(region_name="us-east-1").client("polly")
    reply = polly.synthesize_speech(Text=text, OutputFormat="mp3", VoiceId="Joanna", Engine="neural")
    with reply["AudioStream"] as stream:
        return stream.read()


ENGINES = {"google": google_speak, "polly": polly_speak}
