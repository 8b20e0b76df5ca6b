from unittest.mock import MagicMock

client = MagicMock()
client.detect_labels.return_value = {"Labels": []}
assert client.detect_labels(Image={})["Labels"] == []
