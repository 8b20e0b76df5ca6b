import boto3

if (c := boto3.client("comprehend")) is not None:
    first, *rest = c.detect_entities(Text="x", LanguageCode="en")["Entities"]
    print(first["Type"])
