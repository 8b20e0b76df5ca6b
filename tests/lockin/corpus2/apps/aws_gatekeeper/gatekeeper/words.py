from functools import cached_property

from .aws import Aws


class Words:
    def __init__(self, aws):
        self._aws = aws

    @cached_property
    def _comprehend(self):
        return self._aws.comprehend

    def language(self, text):
        languages = self._comprehend.detect_dominant_language(Text=text[:4000])["Languages"]
        best = max(languages, key=lambda item: item["Score"])
        return best["LanguageCode"]

    def pii(self, text, language="en"):
        hits = self._comprehend.detect_pii_entities(Text=text, LanguageCode=language)
        for hit in hits["Entities"]:
            start, end = hit["BeginOffset"], hit["EndOffset"]
            yield hit["Type"], text[start:end]
