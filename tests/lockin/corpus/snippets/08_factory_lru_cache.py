from functools import lru_cache

import boto3


@lru_cache(maxsize=None)
def get_client(name: str):
    return boto3.Session().client(name)


sentiment = get_client("comprehend").detect_sentiment(Text="x", LanguageCode="en")
print(sentiment["Sentiment"])
