"""Tesseract OCR as a provider of cloudai."""
