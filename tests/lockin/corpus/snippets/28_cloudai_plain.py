import cloudai

with cloudai.Client() as client:
    print(client.translation.translate("hello", target="de").text)
