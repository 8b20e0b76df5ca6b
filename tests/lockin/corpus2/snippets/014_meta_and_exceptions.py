import boto3
import botocore.exceptions

client = boto3.client("polly")
print(client.meta.region_name)
try:
    client.put_lexicon(Name="names", Content=open("names.pls").read())
except client.exceptions.InvalidLexiconException as error:
    print(error)
except botocore.exceptions.EndpointConnectionError:
    print("no network")
