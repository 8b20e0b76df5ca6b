"""The portable types behind `client.vision`, `client.speech`, `client.translation` and `client.custom`."""
