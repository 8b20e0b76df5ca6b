from google.cloud import translate_v2


def translate(texts, target="es"):
    client = translate_v2.Client()
    if isinstance(texts, bytes):
        texts = texts.decode("utf-8")
    results = client.translate(texts, target_language=target, source_language="en", format_="text")
    for result in results:
        print("{}: {}".format(result["input"], result["translatedText"]))


def known():
    return [lang["language"] for lang in translate_v2.Client().get_languages()]
