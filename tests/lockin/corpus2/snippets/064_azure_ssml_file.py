import azure.cognitiveservices.speech as sdk

SSML = """<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="fr-FR">
<voice name="fr-FR-DeniseNeural">Bonjour</voice></speak>"""
synth = sdk.SpeechSynthesizer(sdk.SpeechConfig("k", "westeurope"), audio_config=None)
result = synth.speak_ssml_async(SSML).get()
stream = sdk.AudioDataStream(result)
stream.save_to_wav_file("bonjour.wav")
