import boto3
from botocore.exceptions import BotoCoreError, ClientError

polly = boto3.client("polly")
try:
    polly.synthesize_speech(Text="a", OutputFormat="pcm", VoiceId="Hans")
except (BotoCoreError, ClientError) as error:
    print(error)
