from cloudai import AsyncClient as Portable


async def labels(image):
    async with Portable() as c:
        return await c.vision.detect_labels(image)
