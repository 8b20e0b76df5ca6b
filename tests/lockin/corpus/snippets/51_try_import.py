try:
    from azure.ai.vision.face import FaceClient
except ImportError:
    FaceClient = None
from azure.core.credentials import AzureKeyCredential

face_client = FaceClient("https://f.cognitiveservices.azure.com", AzureKeyCredential("k"))
faces = face_client.detect(b"", detection_model="detection_03", recognition_model="recognition_04", return_face_id=False)
print(faces[0].face_rectangle.left)
