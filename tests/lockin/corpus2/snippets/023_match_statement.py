import boto3

job = boto3.client("transcribe").get_transcription_job(TranscriptionJobName="x")["TranscriptionJob"]
match job:
    case {"TranscriptionJobStatus": "COMPLETED", "Transcript": {"TranscriptFileUri": uri}}:
        print(uri)
    case {"TranscriptionJobStatus": "FAILED", "FailureReason": reason}:
        raise SystemExit(reason)
