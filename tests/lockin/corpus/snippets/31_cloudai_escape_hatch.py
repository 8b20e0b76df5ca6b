from cloudai import Client

client = Client()
raw = client.driver("aws-eu").client
