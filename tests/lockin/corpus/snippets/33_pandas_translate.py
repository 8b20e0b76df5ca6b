import pandas as pd

frame = pd.DataFrame({"Text": ["a"]})
table = str.maketrans("a", "b")
frame["Text"] = frame["Text"].str.translate(table)
result = frame.analyze() if hasattr(frame, "analyze") else frame
print(result.text if hasattr(result, "text") else "")
