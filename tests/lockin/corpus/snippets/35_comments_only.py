# boto3.client("rekognition").detect_labels(Image={})
"""Example: client = vision.ImageAnnotatorClient()"""
TEXT = "boto3.client('textract').analyze_document"
