from cloudai import AsyncClient


async def main(images):
    async with AsyncClient() as ai:
        for image in images:
            await ai.vision.detect_labels(
                image,
                max_results=3,
                options={"aws": {"Features": ["GENERAL_LABELS"]}, "gcp": {"model": "builtin/latest"}},
            )
