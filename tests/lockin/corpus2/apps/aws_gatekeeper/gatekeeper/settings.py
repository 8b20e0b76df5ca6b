from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    profile: str = "uploads"
    region: str = "eu-west-1"
    bucket: str = "uploads-inbox"
    queue_url: str = "https://sqs.eu-west-1.amazonaws.com/123456789012/uploads"
    adapter: str = "arn:aws:rekognition:eu-west-1:123456789012:project/tattoos/version/tattoos.2025/1737000000000"
    table: str = "verdicts"


settings = Settings()
