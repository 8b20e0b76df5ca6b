from pyspark.sql import SparkSession


def sentiments(rows):
    import boto3

    comprehend = boto3.client("comprehend", region_name="eu-west-1")
    batch = list(rows)
    for start in range(0, len(batch), 25):
        chunk = batch[start : start + 25]
        out = comprehend.batch_detect_sentiment(TextList=[r.text for r in chunk], LanguageCode="en")
        for item in out["ResultList"]:
            yield chunk[item["Index"]].id, item["Sentiment"]


spark = SparkSession.builder.getOrCreate()
spark.read.parquet("s3://reviews").rdd.mapPartitions(sentiments).toDF(["id", "mood"]).write.parquet("s3://moods")
