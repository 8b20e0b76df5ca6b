import google.cloud.vision_v1 as gv

with gv.ImageAnnotatorClient() as annotator:
    image = gv.types.Image()
    image.source.image_uri = "gs://acme/b.png"
    answer = annotator.object_localization(image=image)
    for obj in answer.localized_object_annotations:
        print(obj.name, [(v.x, v.y) for v in obj.bounding_poly.normalized_vertices])
