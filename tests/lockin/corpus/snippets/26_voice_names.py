import azure.cognitiveservices.speech as sdk

VOICES = {"de": "de-DE-ConradNeural", "en": "en-US-AvaMultilingualNeural"}
cfg = sdk.SpeechConfig(subscription="k", region="westeurope")
cfg.set_speech_synthesis_output_format(sdk.SpeechSynthesisOutputFormat.Riff24Khz16BitMonoPcm)
syn = sdk.SpeechSynthesizer(speech_config=cfg)
syn.speak_ssml_async("<speak/>").get()
