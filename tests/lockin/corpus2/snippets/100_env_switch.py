import importlib
import json

registry = json.loads('{"vision": "own.vision"}')
module = importlib.import_module(registry["vision"])
client = module.Client()
response = client.analyze(image=b"", visual_features=["read"])
print(response.read.blocks[0].lines[0].text)
