from google.cloud import vision  # noqa: F401
import azure.cognitiveservices.speech as speechsdk  # noqa: F401

print("nothing")
