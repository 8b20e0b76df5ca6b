from google.cloud.aiplatform import Model

model = Model.upload(
    display_name="iris",
    artifact_uri="gs://p/iris",
    serving_container_image_uri="us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-3:latest",
)
endpoint = model.deploy(machine_type="n1-standard-2")
print(endpoint.predict([[5.1, 3.5, 1.4, 0.2]]).predictions)
