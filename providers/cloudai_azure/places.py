"""Which of Azure's services answers which operation, and the setting that holds its address."""

from __future__ import annotations

from collections.abc import Mapping

SETTING: Mapping[str, str] = {
    "vision": "vision_endpoint",
    "face": "face_endpoint",
    "safety": "content_safety_endpoint",
    "document": "document_endpoint",
    "translator": "translator_endpoint",
    "document-translation": "document_translation_endpoint",
    "language": "language_endpoint",
    "speech": "speech_endpoint",
    "tts": "tts_endpoint",
}
"""Service of a wire -> the setting that holds its address."""

OPERATIONS: Mapping[str, str] = {
    "vision.detect_labels": "vision",
    "vision.detect_objects": "vision",
    "vision.detect_faces": "face",
    "vision.read_text": "vision",
    "vision.read_document": "document",
    "vision.moderate": "safety",
    "vision.detect_landmarks": "vision",
    "vision.detect_logos": "vision",
    "vision.caption": "vision",
    "speech.transcribe": "speech",
    "speech.synthesize": "tts",
    "speech.voices": "tts",
    "translation.translate": "translator",
    "translation.detect_language": "translator",
    "translation.languages": "translator",
    "translation.translate_document": "document-translation",
}
"""Who answers what."""
