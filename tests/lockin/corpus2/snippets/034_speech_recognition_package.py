import speech_recognition as sr

recognizer = sr.Recognizer()
with sr.AudioFile("a.wav") as source:
    audio = recognizer.record(source)
print(recognizer.recognize_sphinx(audio))
