"""The `azure` provider: Microsoft Azure. Its capabilities stand in `capabilities.toml` beside this file."""
