from fastapi import FastAPI, HTTPException, UploadFile
from google.cloud import vision

from .deps import Annotator, Textract, aws
from .speech import Speaker, speaker

app = FastAPI()


@app.post("/faces")
async def faces(file: UploadFile, client: Annotator) -> list[dict]:
    image = vision.Image(content=await file.read())
    response = client.face_detection(image=image)
    return [{"joy": face.joy_likelihood.name, "p": face.detection_confidence} for face in response.face_annotations]


@app.post("/forms")
async def forms(file: UploadFile, client: Textract) -> dict[str, int]:
    answer = await client.analyze_document(Document={"Bytes": await file.read()}, FeatureTypes=["FORMS", "TABLES"])
    blocks = answer["Blocks"]
    keys = [b for b in blocks if b["BlockType"] == "KEY_VALUE_SET" and "KEY" in b.get("EntityTypes", ())]
    if not keys:
        raise HTTPException(422)
    return {"keys": len(keys), "pages": answer["DocumentMetadata"]["Pages"]}


@app.post("/labels")
async def labels(file: UploadFile, how: str = "detect_labels"):
    async with aws("rekognition") as rekognition:
        result = await getattr(rekognition, "detect_labels")(Image={"Bytes": await file.read()}, MaxLabels=5)
        return [label["Name"] for label in result["Labels"] if label["Confidence"] > 80]


@app.get("/say")
def say(text: str):
    return speaker().say(text)
