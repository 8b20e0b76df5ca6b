"""Plain REST, since the batch host has no SDK."""

import os
import uuid

import httpx
import requests

TRANSLATOR = "https://api.cognitive.microsofttranslator.com"
ENDPOINT = os.getenv("VISION_ENDPOINT", "https://desk-vision.cognitiveservices.azure.com")


def headers():
    return {
        "Ocp-Apim-Subscription-Key": os.environ["TRANSLATOR_KEY"],
        "Ocp-Apim-Subscription-Region": "westeurope",
        "X-ClientTraceId": str(uuid.uuid4()),
    }


def translate(texts, to="de"):
    response = requests.post(
        TRANSLATOR + "/translate",
        params={"api-version": "3.0", "to": to},
        headers=headers(),
        json=[{"text": text} for text in texts],
        timeout=30,
    )
    response.raise_for_status()
    return [entry["translations"][0]["text"] for entry in response.json()]


async def tags(url):
    async with httpx.AsyncClient(base_url=ENDPOINT) as http:
        answer = await http.post(
            "/computervision/imageanalysis:analyze",
            params={"api-version": "2024-02-01", "features": "tags"},
            headers={"Ocp-Apim-Subscription-Key": os.environ["VISION_KEY"]},
            json={"url": url},
        )
    return {tag["name"]: tag["confidence"] for tag in answer.json()["tagsResult"]["values"]}


def speak(text, region="westeurope"):
    url = f"https://{region}.tts.speech.microsoft.com/cognitiveservices/v1"
    ssml = f"<speak version='1.0' xml:lang='en-US'><voice name='en-US-JennyNeural'>{text}</voice></speak>"
    reply = requests.post(url, data=ssml.encode(), headers={"X-Microsoft-OutputFormat": "riff-24khz-16bit-mono-pcm"})
    return reply.content
