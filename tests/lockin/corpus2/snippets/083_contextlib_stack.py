from contextlib import ExitStack

from google.cloud import speech, vision

with ExitStack() as stack:
    eyes = stack.enter_context(vision.ImageAnnotatorClient())
    ears = stack.enter_context(speech.SpeechClient())
    props = eyes.image_properties(image=vision.Image(content=b""))
    print(props.image_properties_annotation.dominant_colors.colors[0].color.red)
    text = ears.recognize(config=speech.RecognitionConfig(language_code="en-US"), audio=speech.RecognitionAudio(content=b""))
