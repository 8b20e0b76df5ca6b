import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from google.cloud import vision


class Landmarks(beam.DoFn):
    def setup(self):
        self.client = vision.ImageAnnotatorClient()

    def process(self, element):
        image = vision.Image(source=vision.ImageSource(gcs_image_uri=element))
        result = self.client.landmark_detection(image=image, max_results=3)
        for annotation in result.landmark_annotations:
            yield element, annotation.description, annotation.score


with beam.Pipeline(options=PipelineOptions()) as pipeline:
    pipeline | beam.Create(["gs://a/b.jpg"]) | beam.ParDo(Landmarks()) | beam.Map(print)
