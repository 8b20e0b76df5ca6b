from google.cloud import vision

client = vision.ImageAnnotatorClient()
image = {"source": {"image_uri": "gs://acme/a.png"}}
response = client.annotate_image({"image": image, "features": [{"type_": vision.Feature.Type.LOGO_DETECTION}]})
for logo in response.logo_annotations:
    print(logo.description, logo.bounding_poly.vertices[0].x)
