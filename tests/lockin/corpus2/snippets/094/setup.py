from setuptools import find_packages, setup

REQUIRES = [
    "azure-cognitiveservices-speech>=1.30",
    "click",
]

setup(
    name="talk",
    packages=find_packages(),
    install_requires=REQUIRES,
    extras_require={"gcp": ["google-cloud-translate>=3"]},
)
