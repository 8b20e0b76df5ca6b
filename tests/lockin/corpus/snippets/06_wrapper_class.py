import boto3


class Voice:
    def __init__(self):
        self.polly = boto3.client("polly")

    def say(self, text):
        return self.polly.synthesize_speech(Text=text, OutputFormat="mp3", VoiceId="Vicki")


voice = Voice()
audio = voice.say("hello")["AudioStream"].read()
