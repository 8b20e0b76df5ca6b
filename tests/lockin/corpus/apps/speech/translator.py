import os
import uuid

import requests
from azure.ai.translation.text import TextTranslationClient
from azure.core.credentials import AzureKeyCredential

ENDPOINT = "https://api.cognitive.microsofttranslator.com"


def translate_sdk(texts, to):
    client = TextTranslationClient(credential=AzureKeyCredential(os.environ["TRANSLATOR_KEY"]), region="westeurope")
    response = client.translate(body=texts, to_language=[to], profanity_action="Deleted")
    first = response[0]
    source = first.detected_language.language if first.detected_language else None
    return source, [t.text for t in first.translations]


def translate_rest(texts, to):
    headers = {
        "Ocp-Apim-Subscription-Key": os.environ["TRANSLATOR_KEY"],
        "Ocp-Apim-Subscription-Region": "westeurope",
        "X-ClientTraceId": str(uuid.uuid4()),
    }
    params = {"api-version": "3.0", "to": to}
    reply = requests.post(f"{ENDPOINT}/translate", params=params, headers=headers, json=[{"Text": t} for t in texts])
    reply.raise_for_status()
    data = reply.json()
    return [item["translations"][0]["text"] for item in data]
