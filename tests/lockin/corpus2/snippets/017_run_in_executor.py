import asyncio
from functools import partial

import boto3

translate = boto3.client("translate")


async def to_french(text):
    loop = asyncio.get_running_loop()
    call = partial(translate.translate_text, SourceLanguageCode="en", TargetLanguageCode="fr")
    answer = await loop.run_in_executor(None, partial(call, Text=text))
    return answer["TranslatedText"]
