from azure.cognitiveservices.speech import SpeechConfig, SpeechSynthesizer

synthesizer = SpeechSynthesizer(speech_config=SpeechConfig(subscription="k", region="r"), audio_config=None)
voices = synthesizer.get_voices_async("de-DE").get()
print([v.short_name for v in voices.voices])
