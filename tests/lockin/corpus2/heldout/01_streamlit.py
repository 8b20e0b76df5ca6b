import boto3
import pandas as pd
import streamlit as st


@st.cache_resource
def rekognition():
    return boto3.client("rekognition", region_name=st.secrets["region"])


st.title("What is in the picture?")
upload = st.file_uploader("picture", type=["png", "jpg"])
if upload is not None:
    with st.spinner("looking"):
        answer = rekognition().detect_labels(Image={"Bytes": upload.getvalue()}, MinConfidence=st.slider("at least", 0, 100, 70))
    frame = pd.DataFrame([{"label": l["Name"], "sure": l["Confidence"]} for l in answer["Labels"]])
    st.bar_chart(frame.set_index("label"))
