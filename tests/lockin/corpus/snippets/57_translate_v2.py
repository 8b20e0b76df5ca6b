from google.cloud import translate_v2

client = translate_v2.Client()
out = client.translate(["a", "b"], target_language="de", format_="text")
print([o["translatedText"] for o in out])
print(client.detect_language("x")["language"])
