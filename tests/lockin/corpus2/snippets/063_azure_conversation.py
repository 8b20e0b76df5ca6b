import time

from azure.cognitiveservices.speech import AudioConfig, SpeechConfig, transcription

done = False


def on_transcribed(evt):
    print(evt.result.speaker_id, evt.result.text)


def on_stop(evt):
    global done
    done = True


config = SpeechConfig(subscription="k", region="eastus")
transcriber = transcription.ConversationTranscriber(speech_config=config, audio_config=AudioConfig(filename="m.wav"))
transcriber.transcribed.connect(on_transcribed)
transcriber.session_stopped.connect(on_stop)
transcriber.start_transcribing_async()
while not done:
    time.sleep(0.5)
transcriber.stop_transcribing_async()
