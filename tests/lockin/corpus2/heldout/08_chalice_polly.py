from base64 import b64encode

import boto3
from chalice import Chalice, Response

app = Chalice(app_name="talker")
_polly = None
_s3 = boto3.client("s3")


def polly():
    global _polly
    _polly = _polly or boto3.client("polly")
    return _polly


@app.route("/say/{voice}", methods=["POST"])
def say(voice):
    body = app.current_request.json_body
    kwargs = {"Text": body["text"], "VoiceId": voice, "OutputFormat": "mp3"}
    if body.get("neural"):
        kwargs |= {"Engine": "neural"}
    audio = polly().synthesize_speech(**kwargs)["AudioStream"].read()
    _s3.put_object(Bucket="talk", Key="x.mp3", Body=audio)
    return Response(b64encode(audio))


@app.route("/voices")
def voices():
    found = polly().describe_voices(LanguageCode="en-GB")
    return [{"id": v["Id"], "gender": v["Gender"]} for v in found["Voices"]]
