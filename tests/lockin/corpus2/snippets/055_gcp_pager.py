from google.cloud import documentai

client = documentai.DocumentProcessorServiceClient()
for processor in client.list_processors(parent=client.common_location_path("p", "us")):
    print(processor.display_name, processor.state)
