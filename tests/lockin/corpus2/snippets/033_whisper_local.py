import whisper

client = whisper.load_model("base")
result = client.transcribe("a.wav", language="de")
for segment in result["segments"]:
    print(segment["text"])
