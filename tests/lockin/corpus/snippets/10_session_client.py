import boto3

session = boto3.session.Session(profile_name="dev")
transcribe = session.client("transcribe")
transcribe.start_transcription_job(
    TranscriptionJobName="j1",
    Media={"MediaFileUri": "s3://b/a.mp3"},
    LanguageCode="de-DE",
    Settings={"ShowSpeakerLabels": True, "MaxSpeakerLabels": 2},
    JobExecutionSettings={"AllowDeferredExecution": True},
)
while True:
    job = transcribe.get_transcription_job(TranscriptionJobName="j1")["TranscriptionJob"]
    if job["TranscriptionJobStatus"] in ("COMPLETED", "FAILED"):
        break
uri = job["Transcript"]["TranscriptFileUri"]
