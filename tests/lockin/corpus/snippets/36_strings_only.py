HELP = """
    rek = boto3.client("rekognition")
    rek.detect_labels(Image={"Bytes": b""})
"""
print("detect_text", "TextDetections")
