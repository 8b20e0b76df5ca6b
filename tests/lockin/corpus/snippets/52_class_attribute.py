import boto3


class Base:
    client = boto3.client("translate")


class Job(Base):
    def run(self, text):
        r = self.client.translate_text(Text=text, SourceLanguageCode="en", TargetLanguageCode="fr", TerminologyNames=["brand"])
        return r["TranslatedText"], r["AppliedTerminologies"]
