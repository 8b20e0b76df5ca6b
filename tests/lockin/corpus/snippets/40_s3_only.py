import boto3

s3 = boto3.client("s3")
s3.put_object(Bucket="b", Key="k", Body=b"")
queue = boto3.resource("sqs").Queue("u")
for message in queue.receive_messages():
    print(message.body)
