from mypy_boto3_comprehend import ComprehendClient


def syntax(client: ComprehendClient, text: str) -> list[str]:
    tokens = client.detect_syntax(Text=text, LanguageCode="en")["SyntaxTokens"]
    return [t["PartOfSpeech"]["Tag"] for t in tokens]
