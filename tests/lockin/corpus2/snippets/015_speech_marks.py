import json

import boto3

polly = boto3.Session(profile_name="voice").client("polly")
marks = polly.synthesize_speech(
    OutputFormat="json", SpeechMarkTypes=["word"], Text="<speak>Hi</speak>", TextType="ssml",
    VoiceId="Joanna", LexiconNames=["names"],
)
for line in marks["AudioStream"].read().decode().splitlines():
    mark = json.loads(line)
    print(mark["time"], mark["value"])
