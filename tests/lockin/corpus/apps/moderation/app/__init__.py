"""Moderation pipeline."""
