from google.cloud import vision as gv
c = gv.ImageAnnotatorClient()
faces = c.face_detection(image=gv.Image(content=b"")).face_annotations
print([f.joy_likelihood for f in faces])
