import pandas as pd

frame = pd.DataFrame({"Text": ["a", "b"], "Confidence": [0.4, 0.9], "Labels": ["x", "y"]})
table = str.maketrans("ab", "cd")
frame["TranslatedText"] = frame["Text"].str.translate(table)
print(frame[frame["Confidence"] > 0.5]["Labels"])
