from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

client = make_pipeline(TfidfVectorizer(), LogisticRegression())
client.fit(["good", "bad"], [1, 0])
response = client.predict(["good"])
analyze = TfidfVectorizer().build_analyzer()
print(response[0], analyze("good text"))
