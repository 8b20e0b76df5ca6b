from cloudai import Client

client = Client(config="cloudai.toml")
result = client.speech.transcribe("a.wav", options={"aws": {"VocabularyName": "v"}, "gcp": {"model": "chirp_2"}})
print(result.text)
