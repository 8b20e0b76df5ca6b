from datetime import datetime

from airflow.decorators import dag, task


@dag(schedule="@daily", start_date=datetime(2026, 1, 1))
def nightly():
    @task
    def transcribe(uri: str) -> str:
        import boto3

        name = uri.rsplit("/", 1)[-1]
        boto3.client("transcribe").start_transcription_job(
            TranscriptionJobName=name, Media={"MediaFileUri": uri}, LanguageCode="en-US", OutputBucketName="out",
        )
        return name

    @task
    def done(name: str) -> bool:
        import boto3

        jobs = boto3.client("transcribe").list_transcription_jobs(JobNameContains=name)
        return all(j["TranscriptionJobStatus"] == "COMPLETED" for j in jobs["TranscriptionJobSummaries"])

    done(transcribe("s3://in/a.mp3"))


nightly()
