import pytesseract
from PIL import Image

data = pytesseract.image_to_data(Image.open("p.png"), output_type=pytesseract.Output.DICT)
words = [{"Text": t, "Confidence": c} for t, c in zip(data["text"], data["conf"])]
print([w["Text"] for w in words if float(w["Confidence"]) > 60])
