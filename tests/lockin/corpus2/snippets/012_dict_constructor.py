import boto3

params = dict(Text="Guten Tag", SourceLanguageCode="de", TargetLanguageCode="en")
params.update(TerminologyNames=["brands"])
client = boto3.client("translate")
result = client.translate_text(**params)
print(result.get("TranslatedText"), result["AppliedTerminologies"][0]["Name"])
