"""Price feeds of AWS, Google Cloud and Azure, read into dated snapshots of the user's own over the shipped price book.

`cloudai prices refresh` is the way in. Everything that needs the network or httpx is imported only by it; snapshots
(`cloudai.prices.snapshot`) are read with the standard library.
"""
