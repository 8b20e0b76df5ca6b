import asyncio
import aioboto3


async def main():
    session = aioboto3.Session()
    async with session.client("rekognition") as rek:
        got = await rek.detect_text(Image={"Bytes": b""})
        return [t["DetectedText"] for t in got["TextDetections"]]

asyncio.run(main())
