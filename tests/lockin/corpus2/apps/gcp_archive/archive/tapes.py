"""Tapes to text, and text to tape."""

from google.api_core.exceptions import DeadlineExceeded
from google.cloud import speech, texttospeech as tts
from google.cloud import storage


def _config(rate):
    diarization = speech.SpeakerDiarizationConfig(
        enable_speaker_diarization=True,
        max_speaker_count=4,
    )
    return speech.RecognitionConfig(
        encoding=speech.RecognitionConfig.AudioEncoding.FLAC,
        sample_rate_hertz=rate,
        language_code="de-DE",
        alternative_language_codes=["en-GB", "fr-FR"],
        enable_automatic_punctuation=True,
        enable_spoken_emojis=True,
        diarization_config=diarization,
    )


def transcribe(uri, rate=16000):
    client = speech.SpeechClient.from_service_account_file("key.json")
    operation = client.long_running_recognize(config=_config(rate), audio=speech.RecognitionAudio(uri=uri))
    try:
        response = operation.result(timeout=3600)
    except DeadlineExceeded:
        print("too long:", operation.operation.name)
        return
    last = response.results[-1].alternatives[0]
    for word in last.words:
        yield word.speaker_tag, word.word, word.start_time.total_seconds()


def speak(text, path):
    client = tts.TextToSpeechClient()
    voice = tts.VoiceSelectionParams(language_code="de-DE", name="de-DE-Neural2-B")
    audio = tts.AudioConfig(audio_encoding=tts.AudioEncoding.MP3, speaking_rate=0.95, effects_profile_id=["headphone-class-device"])
    response = client.synthesize_speech(input=tts.SynthesisInput(text=text), voice=voice, audio_config=audio)
    with open(path, "wb") as out:
        out.write(response.audio_content)
    storage.Client().bucket("tapes").blob(path).upload_from_filename(path)
