import boto3
from google.cloud import vision
import azure.cognitiveservices.speech as speechsdk

print("nothing is called")
