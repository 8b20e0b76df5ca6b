import boto3

job = {
    "TranscriptionJobName": "call-17",
    "Media": {"MediaFileUri": "s3://calls/17.wav"},
    "IdentifyLanguage": True,
    "Subtitles": {"Formats": ["vtt"]},
}
job["ContentRedaction"] = {"RedactionType": "PII", "RedactionOutput": "redacted"}
boto3.client("transcribe").start_transcription_job(**job)
