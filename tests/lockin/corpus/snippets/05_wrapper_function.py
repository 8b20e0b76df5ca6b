import boto3

translate = boto3.client("translate")


def call(**kwargs):
    return translate.translate_text(**kwargs)


def to_german(text):
    return call(Text=text, SourceLanguageCode="auto", TargetLanguageCode="de")["TranslatedText"]
