from celery import Celery, Task
from celery.utils.log import get_task_logger
import boto3

app = Celery("ocr")
logger = get_task_logger(__name__)


class TextractTask(Task):
    _client = None

    @property
    def client(self):
        if self._client is None:
            self._client = boto3.client("textract")
        return self._client


@app.task(base=TextractTask, bind=True, autoretry_for=(Exception,))
def poll(self, job_id: str):
    client = boto3.client("textract")
    page = client.get_document_text_detection(JobId=job_id)
    status = page["JobStatus"]
    if status == "FAILED":
        logger.error(page.get("StatusMessage", "?"))
        return None
    return sum(1 for block in page["Blocks"] if block["BlockType"] == "WORD" and block["Confidence"] > 90)
