import azure.cognitiveservices.speech as speechsdk

config = speechsdk.SpeechConfig(subscription="k", endpoint="wss://westus2.stt.speech.microsoft.com/speech/universal/v2")
auto = speechsdk.languageconfig.AutoDetectSourceLanguageConfig(languages=["en-US", "de-DE"])
audio = speechsdk.audio.AudioConfig(filename="call.wav")
recognizer = speechsdk.SpeechRecognizer(speech_config=config, auto_detect_source_language_config=auto, audio_config=audio)
result = recognizer.recognize_once_async().get()
print(result.text, result.properties)
