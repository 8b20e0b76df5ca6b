from azure.ai.textanalytics import TextAnalyticsClient
from azure.core.credentials import AzureKeyCredential


def authenticate():
    return TextAnalyticsClient(endpoint="https://lang.cognitiveservices.azure.com/", credential=AzureKeyCredential("k"))


def entities(client, documents):
    result = client.recognize_entities(documents=documents)[0]
    return [(e.text, e.category, e.confidence_score) for e in result.entities]


print(entities(authenticate(), ["I was in Rome."]))
