from google.cloud import translate_v3 as translate

LOCATION = "global"
GLOSSARY = "projects/acme-prod/locations/us-central1/glossaries/brand-terms"


class Translator:
    def __init__(self, project):
        self.client = translate.TranslationServiceClient()
        self.parent = f"projects/{project}/locations/{LOCATION}"

    def translate(self, text, target):
        response = self.client.translate_text(
            request={
                "parent": self.parent,
                "contents": [text],
                "mime_type": "text/plain",
                "target_language_code": target,
                "glossary_config": {"glossary": GLOSSARY},
            }
        )
        return "".join(t.translated_text for t in response.translations)

    def detect(self, text):
        found = self.client.detect_language(parent=self.parent, content=text)
        return found.languages[0].language_code
