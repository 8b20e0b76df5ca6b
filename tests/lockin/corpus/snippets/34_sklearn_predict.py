from sklearn.linear_model import LinearRegression

model = LinearRegression()
model.fit([[0]], [1])
model.predict([[2]])
client = model
client.recognize = lambda config: config
client.recognize(config={"language_code": "en-US"})
