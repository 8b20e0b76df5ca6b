import boto3

_client = None


def get_client():
    global _client
    if _client is None:
        _client = boto3.client("comprehend")
    return _client


def sentiment(text):
    return get_client().detect_sentiment(Text=text, LanguageCode="en")["SentimentScore"]["Positive"]
