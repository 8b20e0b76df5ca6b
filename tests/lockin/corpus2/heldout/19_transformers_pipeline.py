from transformers import pipeline

translator = pipeline("translation_en_to_de", model="t5-small")
classifier = pipeline("image-classification")
print(translator("hello", max_length=40)[0]["translation_text"])
for label in classifier("a.jpg"):
    print(label["label"], label["score"])
client = pipeline("automatic-speech-recognition")
result = client("a.wav")
print(result["text"])
