"""A job of the conformance kit: what it does is not looked at."""

print("hello")
