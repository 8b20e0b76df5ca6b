import cloudai

with cloudai.Client() as client:
    print(client.speech.transcribe("a.wav", language="en-GB").text)
