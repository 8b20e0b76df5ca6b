import boto3

NAMES = ("translate", "polly")
clients = {name: boto3.client(name) for name in NAMES}


def speak(text):
    german = clients["translate"].translate_text(
        Text=text, SourceLanguageCode="auto", TargetLanguageCode="de")["TranslatedText"]
    return clients["polly"].synthesize_speech(Text=german, VoiceId="Daniel", OutputFormat="ogg_vorbis")
