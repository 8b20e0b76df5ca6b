from azure.ai.vision.face import FaceClient
from azure.ai.vision.face.models import FaceDetectionModel, FaceRecognitionModel
from azure.core.credentials import AzureKeyCredential

with FaceClient(endpoint="https://eye.cognitiveservices.azure.com", credential=AzureKeyCredential("k")) as face_client:
    faces = face_client.detect_from_url(
        url="https://example.com/p.jpg",
        detection_model=FaceDetectionModel.DETECTION03,
        recognition_model=FaceRecognitionModel.RECOGNITION04,
        return_face_id=False,
    )
    for face in faces:
        print(face.face_rectangle.top, face.face_rectangle.height)
