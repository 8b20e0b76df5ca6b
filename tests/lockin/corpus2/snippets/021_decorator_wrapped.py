import functools

import boto3

client = boto3.client("comprehend")


def logged(func):
    @functools.wraps(func)
    def inner(*args, **kwargs):
        print(func.__name__)
        return func(*args, **kwargs)
    return inner


@logged
def language(text):
    return client.detect_dominant_language(Text=text)["Languages"][0]["LanguageCode"]
