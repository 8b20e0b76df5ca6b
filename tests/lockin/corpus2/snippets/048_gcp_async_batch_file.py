from google.cloud import vision

client = vision.ImageAnnotatorClient()
feature = vision.Feature(type_=vision.Feature.Type.DOCUMENT_TEXT_DETECTION)
source = vision.InputConfig(gcs_source=vision.GcsSource(uri="gs://acme/a.pdf"), mime_type="application/pdf")
target = vision.OutputConfig(gcs_destination=vision.GcsDestination(uri="gs://acme/out/"), batch_size=2)
request = vision.AsyncAnnotateFileRequest(features=[feature], input_config=source, output_config=target)
operation = client.async_batch_annotate_files(requests=[request])
operation.result(timeout=420)
