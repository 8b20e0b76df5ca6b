"""Keeps uploads clean."""
