import os

if os.getenv("CLOUD") == "aws":
    import boto3
else:
    from google.cloud import translate_v2 as translate


def make():
    if os.getenv("CLOUD") == "aws":
        return boto3.client("translate")
    return translate.Client()


def to_english(text):
    client = make()
    if os.getenv("CLOUD") == "aws":
        return client.translate_text(Text=text, SourceLanguageCode="auto", TargetLanguageCode="en")["TranslatedText"]
    return client.translate(text, target_language="en")["translatedText"]
