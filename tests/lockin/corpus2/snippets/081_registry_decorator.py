import boto3

HANDLERS = {}


def handler(name):
    def register(func):
        HANDLERS[name] = func
        return func
    return register


@handler("expense")
def expense(data):
    summary = boto3.client("textract").analyze_expense(Document={"Bytes": data})
    for doc in summary["ExpenseDocuments"]:
        for field in doc["SummaryFields"]:
            yield field["Type"]["Text"], field["ValueDetection"]["Text"]


def run(name, data):
    return list(HANDLERS[name](data))
