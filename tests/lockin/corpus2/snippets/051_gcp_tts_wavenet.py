import google.cloud.texttospeech as tts


def unique_languages():
    client = tts.TextToSpeechClient()
    codes = set()
    for voice in client.list_voices().voices:
        codes.update(voice.language_codes)
    return codes


def say(name, text):
    params = tts.VoiceSelectionParams(language_code="-".join(name.split("-")[:2]), name=name)
    config = tts.AudioConfig(audio_encoding=tts.AudioEncoding.LINEAR16)
    client = tts.TextToSpeechClient()
    return client.synthesize_speech(input=tts.SynthesisInput(text=text), voice=params, audio_config=config).audio_content


say("en-US-Wavenet-D", "hello")
