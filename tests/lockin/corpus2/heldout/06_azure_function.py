import json
import logging
import os

import azure.functions as func
from azure.ai.contentsafety import ContentSafetyClient
from azure.ai.contentsafety.models import AnalyzeTextOptions, TextCategory
from azure.core.credentials import AzureKeyCredential

app = func.FunctionApp()
safety = ContentSafetyClient(os.environ["CS_ENDPOINT"], AzureKeyCredential(os.environ["CS_KEY"]))


@app.route(route="check", methods=["POST"])
def check(req: func.HttpRequest) -> func.HttpResponse:
    text = req.get_json()["text"]
    verdict = safety.analyze_text(AnalyzeTextOptions(text=text, categories=[TextCategory.HATE]))
    worst = max(verdict.categories_analysis, key=lambda c: c.severity)
    logging.info("%s: %d", worst.category, worst.severity)
    return func.HttpResponse(json.dumps({"ok": worst.severity < 3}))
