from vendor import Gateway


def localise(text, targets):
    with Gateway() as gateway:
        source = gateway.comprehend.detect_dominant_language(Text=text)["Languages"][0]["LanguageCode"]
        return {
            to: gateway.translate.translate_text(
                Text=text, SourceLanguageCode=source, TargetLanguageCode=to
            )["TranslatedText"]
            for to in targets
        }
