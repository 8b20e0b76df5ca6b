import asyncio
import os

import azure.cognitiveservices.speech as speech
import discord

bot = discord.Client(intents=discord.Intents.default())


def make_config() -> speech.SpeechConfig:
    config = speech.SpeechConfig(os.environ["KEY"], os.environ["REGION"])
    config.speech_synthesis_language = "es-ES"
    return config


CONFIG = make_config()


@bot.event
async def on_message(message):
    synthesizer = speech.SpeechSynthesizer(speech_config=CONFIG, audio_config=speech.audio.AudioOutputConfig(filename="m.wav"))
    result = await asyncio.get_event_loop().run_in_executor(None, synthesizer.speak_text, message.content)
    if result.reason is speech.ResultReason.SynthesizingAudioCompleted:
        await message.channel.send(f"{result.audio_duration}", file=discord.File("m.wav"))
