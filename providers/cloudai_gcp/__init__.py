"""The `gcp` provider: Google Cloud. Its capabilities stand in `capabilities.toml` beside this file."""
