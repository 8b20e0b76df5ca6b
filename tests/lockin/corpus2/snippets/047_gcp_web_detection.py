from google.cloud import vision as v

client = v.ImageAnnotatorClient.from_service_account_json("key.json")
web = client.web_detection(image=v.Image(content=b"")).web_detection
print([e.description for e in web.web_entities], len(web.full_matching_images))
