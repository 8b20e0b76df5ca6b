from concurrent.futures import ThreadPoolExecutor, as_completed

import boto3

client = boto3.client("textract")
with ThreadPoolExecutor(8) as pool:
    futures = [pool.submit(client.analyze_id, DocumentPages=[{"Bytes": b}]) for b in (b"", b"")]
    for future in as_completed(futures):
        print(future.result()["IdentityDocuments"])
