from aiobotocore.session import get_session


async def language(text):
    async with get_session().create_client("comprehend", region_name="eu-west-1") as client:
        return (await client.detect_dominant_language(Text=text))["Languages"]
