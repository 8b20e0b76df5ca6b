"""The `aws` provider: Amazon Web Services. Its capabilities stand in `capabilities.toml` beside this file."""
