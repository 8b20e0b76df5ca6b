import logging

log = logging.getLogger("rekognition")
log.info("google.cloud.vision is not used; polly neither: %s", "translate")
CHOICES = ["rekognition", "vision", "local"]
