"""OCR service."""

from fastapi import FastAPI, File, HTTPException, UploadFile

from ocr.translate import Translator
from ocr.vision_client import read_document, read_text

app = FastAPI()
translator = Translator(project="acme-prod")


@app.post("/text")
async def text(file: UploadFile = File(...)):
    content = await file.read()
    try:
        words = read_text(content)
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    return {"words": words}


@app.post("/translate/{target}")
async def translate(target: str, file: UploadFile = File(...)):
    content = await file.read()
    full = read_document(content)
    return {"text": translator.translate(full, target), "language": translator.detect(full)}
