import httpx

reply = httpx.post(
    "https://westeurope.tts.speech.microsoft.com/cognitiveservices/v1",
    headers={"X-Microsoft-OutputFormat": "riff-24khz-16bit-mono-pcm"},
    content="<speak><voice name='en-GB-SoniaNeural'>x</voice></speak>",
)
open("a.wav", "wb").write(reply.content)
