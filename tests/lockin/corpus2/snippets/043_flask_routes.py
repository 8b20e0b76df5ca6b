from flask import Flask, jsonify, request

app = Flask(__name__)


@app.post("/v1/images:annotate")
def annotate():
    return jsonify({"responses": [{"labelAnnotations": []}] * len(request.json["requests"])})


@app.post("/translate")
def translate():
    return jsonify([{"translations": [{"text": request.json[0]["text"], "to": request.args["to"]}]}])
