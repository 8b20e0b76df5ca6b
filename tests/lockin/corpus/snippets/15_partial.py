from functools import partial
import boto3

speak = partial(boto3.client("polly").synthesize_speech, OutputFormat="mp3", VoiceId="Amy")
data = speak(Text="hi")["AudioStream"]
