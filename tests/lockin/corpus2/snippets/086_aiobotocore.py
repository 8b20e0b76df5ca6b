import asyncio

from aiobotocore.session import get_session


async def main():
    session = get_session()
    async with session.create_client("polly", region_name="eu-west-1") as polly:
        response = await polly.synthesize_speech(Text="hi", VoiceId="Amy", OutputFormat="pcm", SampleRate="16000")
        async with response["AudioStream"] as stream:
            data = await stream.read()
        return data


asyncio.run(main())
