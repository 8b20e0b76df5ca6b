"""Rekognition and Textract: what is sent, and what AWS's own forms mean in ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from aws_answers import ANALYSIS, DOCUMENT, FACES, LABELS, MODERATION, TEXT, aws, block
from aws_client import opened
from aws_pages import png
from aws_server import Failure, StrictServer

from cloudai import Client
from cloudai.errors import CloudAIError, InvalidInput, TooLarge
from cloudai.testing.samples import picture
from cloudai.types.vision import DocumentFeature, ModerationCategory
from cloudai_aws.codec_vision import category


@pytest.fixture(scope="module")
def server() -> Iterator[StrictServer]:
    with aws() as strict:
        yield strict


@pytest.fixture
def client(server: StrictServer) -> Iterator[Client]:
    with opened(server) as one:
        yield one


# --- labels, objects, landmarks ------------------------------------------------------------------


def test_labels_are_asked_for_in_percent_with_the_options(server: StrictServer, client: Client) -> None:
    options = {"aws": {"include_categories": ["Vehicles and Automotive"], "exclude": ["Wheel"]}}
    client.vision.detect_labels(picture(), max_results=5, min_confidence=0.555, options=options)
    assert server.params("DetectLabels") == {
        "Image": {"Bytes": picture()},
        "Features": ["GENERAL_LABELS"],
        "MaxLabels": 5,
        "MinConfidence": 55.5,
        "Settings": {
            "GeneralLabels": {
                "LabelExclusionFilters": ["Wheel"],
                "LabelCategoryInclusionFilters": ["Vehicles and Automotive"],
            }
        },
    }


def test_a_percentage_is_a_ratio_and_the_surest_label_comes_first(client: Client) -> None:
    result = client.vision.detect_labels(picture())
    tower, car = result.labels
    assert (tower.name, tower.vendor_name, tower.confidence) == ("eiffel tower", "Eiffel Tower", 0.995)
    assert car.confidence == pytest.approx(LABELS["Labels"][0]["Confidence"] / 100)
    assert (car.parents, car.aliases) == (("vehicle", "transportation"), ("Automobile",))
    assert result.model == "3.0"


def test_a_box_is_left_top_width_height_in_ratios(client: Client) -> None:
    (car,) = client.vision.detect_objects(picture()).objects
    assert (car.box.x, car.box.y, car.box.w, car.box.h) == (0.0042, 0.5051, 0.1067, 0.1862)
    assert car.confidence == pytest.approx(0.9907690429687)


def test_objects_are_limited_by_their_boxes_not_by_labels(server: StrictServer, client: Client) -> None:
    assert client.vision.detect_objects(picture(), max_results=1, min_confidence=0.995).objects == ()
    assert "MaxLabels" not in server.params("DetectLabels")


def test_landmarks_are_the_labels_of_their_category_and_billed_as_labels(server: StrictServer, client: Client) -> None:
    result = client.vision.detect_landmarks(picture())
    assert [place.name for place in result.landmarks] == ["eiffel tower"]
    filters = server.params("DetectLabels")["Settings"]["GeneralLabels"]
    assert filters == {"LabelCategoryInclusionFilters": ["Popular Landmarks"]}
    assert [used.meter for used in result.usage] == ["vision.detect_labels"]
    assert {notice.code for notice in result.warnings} == {"partial"}


def test_label_names_in_another_language_are_a_warning(client: Client) -> None:
    result = client.vision.detect_labels(picture(), language="de")
    assert [notice.code for notice in result.warnings] == ["option_ignored"]


def test_an_object_in_s3_is_named_not_fetched(server: StrictServer, client: Client) -> None:
    client.vision.detect_labels("s3://photos/2026/a%20b.jpg")
    assert server.params("DetectLabels")["Image"] == {"S3Object": {"Bucket": "photos", "Name": "2026/a%20b.jpg"}}


# --- faces ---------------------------------------------------------------------------------------


def test_left_is_the_persons_left(client: Client) -> None:
    """AWS's `eyeLeft` is the eye on the left of the picture: the right eye of who is seen from the front."""
    (face,) = client.vision.detect_faces(picture()).faces
    eyes = {landmark.type: landmark.point.x for landmark in face.landmarks}
    assert eyes["right_eye"] == FACES["FaceDetails"][0]["Landmarks"][0]["X"] < eyes["left_eye"]
    assert face.landmarks[0].vendor_type == "eyeLeft"


def test_a_nose_left_of_the_eyes_middle_goes_with_a_negative_yaw(client: Client) -> None:
    """So that a positive yaw is to the person's left, as ours is. The numbers are those AWS publishes."""
    (face,) = client.vision.detect_faces(picture()).faces
    at = {landmark.type: landmark.point.x for landmark in face.landmarks}
    assert at["nose_tip"] < (at["left_eye"] + at["right_eye"]) / 2
    assert face.pose is not None
    assert face.pose.yaw == pytest.approx(-3.735, abs=0.001)


def test_angles_have_the_signs_of_ours_in_an_answer_that_aws_publishes(server: StrictServer, client: Client) -> None:
    """Celebrity A of https://docs.aws.amazon.com/rekognition/latest/dg/celebrities-video-sqs.html: the eye on the right
    of the picture is higher and the nose is right of the middle, so the head is tilted counterclockwise and turned to
    the person's left."""
    server.answers["DetectFaces"] = lambda _: {
        "FaceDetails": [
            {
                "BoundingBox": {
                    "Height": 0.20555555820465088,
                    "Left": 0.029374999925494194,
                    "Top": 0.22333332896232605,
                    "Width": 0.11562500149011612,
                },
                "Confidence": 99.89837646484375,
                "Landmarks": [
                    {"Type": "eyeLeft", "X": 0.06857934594154358, "Y": 0.30842265486717224},
                    {"Type": "eyeRight", "X": 0.10396526008844376, "Y": 0.300625205039978},
                    {"Type": "nose", "X": 0.0966852456331253, "Y": 0.34081998467445374},
                ],
                "Pose": {"Pitch": -0.9784082174301147, "Roll": -8.808176040649414, "Yaw": 20.28228759765625},
                "Quality": {"Brightness": 43.312068939208984, "Sharpness": 99.80813598632812},
            }
        ]
    }
    try:
        (face,) = client.vision.detect_faces(picture()).faces
    finally:
        server.answers["DetectFaces"] = lambda _: FACES
    at = {landmark.type: landmark.point for landmark in face.landmarks}
    assert face.pose is not None
    assert face.pose.roll is not None
    assert face.pose.yaw is not None
    assert (at["left_eye"].y < at["right_eye"].y, face.pose.roll < 0) == (True, True)
    assert (at["nose_tip"].x > (at["left_eye"].x + at["right_eye"].x) / 2, face.pose.yaw > 0) == (True, True)


def test_every_landmark_of_the_description_has_a_neutral_name_and_sides_change() -> None:
    import aws_model

    from cloudai_aws.codec_vision import _table

    table = _table("faces", "landmarks")
    assert set(table) == set(aws_model.service("rekognition").shape_for("LandmarkType").enum)
    for theirs, ours in table.items():
        if theirs.startswith(("left", "right")) or theirs.endswith(("Left", "Right")):
            first = (
                "left" if theirs.lower().startswith("left") else "right" if theirs.lower().startswith("right") else ""
            )
            side = first or ("left" if theirs.endswith("Left") else "right")
            assert {"left": "right", "right": "left"}[side] in ours.split("_"), (theirs, ours)


def test_attributes_are_asked_for_only_when_wanted(server: StrictServer, client: Client) -> None:
    client.vision.detect_faces(picture())
    assert server.params("DetectFaces")["Attributes"] == ["DEFAULT"]
    (face,) = client.vision.detect_faces(picture(), attributes=True).faces
    assert server.params("DetectFaces")["Attributes"] == ["ALL"]
    found = {each.name: (each.value, each.confidence) for each in face.attributes}
    assert found["age_low"] == (20.0, None)
    assert found["gender"] == ("male", pytest.approx(0.9956))
    assert found["smile"] == (True, 0.885)
    assert found["emotion_happy"] == (True, 0.9025)
    assert face.sharpness == pytest.approx(0.9551618957519531)


# --- text ----------------------------------------------------------------------------------------


def test_words_belong_to_their_line(client: Client) -> None:
    result = client.vision.read_text(picture())
    (line,) = result.pages[0].lines
    assert (result.text, [word.text for word in line.words]) == ("Hello World", ["Hello", "World"])
    assert line.region is not None
    assert line.region.polygon is not None
    corners = [(point.x, point.y) for point in line.region.polygon.points]
    assert corners == [(each["X"], each["Y"]) for each in TEXT["TextDetections"][0]["Geometry"]["Polygon"]]
    assert (result.pages[0].width, result.pages[0].height) == (480, 160)


@pytest.mark.parametrize(("orientation", "size"), [(1, (200, 100)), (3, (200, 100)), (6, (100, 200)), (8, (100, 200))])
def test_positions_are_of_the_upright_picture(client: Client, orientation: int, size: tuple[int, int]) -> None:
    """Rekognition turns a JPEG by its Exif orientation first; the page is as wide as it is then."""
    import io

    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.new("RGB", (200, 100)).save(buffer, "JPEG", exif=exif)
    (page,) = client.vision.read_text(buffer.getvalue()).pages
    assert (page.width, page.height) == size
    first = page.lines[0].region
    assert first is not None
    assert first.box.to_pixels(*size)[0] == pytest.approx(0.1 * size[0])


def test_dense_text_is_read_by_textract_and_billed_as_its_page(server: StrictServer, client: Client) -> None:
    result = client.vision.read_text(picture(), dense=True)
    assert server.operations()[-1] == "DetectDocumentText"
    assert result.text == "Invoice 42\nTotal 7.50"
    assert [(used.meter, used.unit) for used in result.usage] == [("vision.read_document", "page")]


def test_no_text_is_an_empty_page(server: StrictServer, client: Client) -> None:
    server.answers["DetectText"] = lambda _: {"TextDetections": []}
    try:
        result = client.vision.read_text(picture())
    finally:
        server.answers["DetectText"] = lambda _: TEXT
    assert (result.text, result.pages[0].blocks) == ("", ())


# --- documents -----------------------------------------------------------------------------------


def test_text_alone_is_the_cheaper_call(server: StrictServer, client: Client) -> None:
    result = client.vision.read_document(picture())
    assert server.operations()[-1] == "DetectDocumentText"
    words = result.pages[0].lines[0].words
    assert [(word.text, word.handwritten) for word in words] == [("Invoice", False), ("42", True)]


def test_features_and_questions_are_sent(server: StrictServer, client: Client) -> None:
    features = ["tables", "forms", "layout", "signatures"]
    client.vision.read_document(picture(), features=features, queries=["What is the total?"])
    assert server.params("AnalyzeDocument")["FeatureTypes"] == ["TABLES", "FORMS", "LAYOUT", "SIGNATURES", "QUERIES"]
    assert server.params("AnalyzeDocument")["QueriesConfig"] == {"Queries": [{"Text": "What is the total?"}]}


def test_cells_count_from_zero_and_a_merged_one_stands_for_its_parts(client: Client) -> None:
    (table,) = client.vision.read_document(picture(), features=["tables"]).tables
    assert [(cell.row, cell.column, cell.column_span, cell.text, cell.header) for cell in table.cells] == [
        (0, 0, 2, "Total", True),
        (1, 0, 1, "7.50", False),
    ]
    assert table.to_rows() == [["Total", ""], ["7.50", ""]]


def test_keys_values_answers_layout_and_signatures(client: Client) -> None:
    result = client.vision.read_document(picture(), features=["forms"], queries=["What is the total?"])
    (pair,), (answer,) = result.key_values, result.answers
    assert (pair.key, pair.value, pair.confidence) == ("Total", "7.50 [x]", 0.91)
    assert (answer.query, answer.answer) == ("What is the total?", "7.50")
    assert [(each.kind, each.text) for each in result.pages[0].blocks] == [
        ("title", "Invoice 42"),
        (None, "Total 7.50"),
        ("signature", ""),
    ]


def test_lists_of_the_layout_keep_their_parts_once(server: StrictServer, client: Client) -> None:
    parts: list[Any] = [
        block("PAGE", "p", CHILD=["l1", "l2", "list", "a", "b"]),
        block("LINE", "l1", "one"),
        block("LINE", "l2", "two"),
        block("LAYOUT_LIST", "list", CHILD=["a", "b"]),
        block("LAYOUT_TEXT", "a", CHILD=["l1"]),
        block("LAYOUT_TEXT", "b", CHILD=["l2"]),
    ]
    server.answers["AnalyzeDocument"] = lambda _: {"DocumentMetadata": {"Pages": 1}, "Blocks": parts}
    try:
        page = client.vision.read_document(picture(), features=["layout"]).pages[0]
    finally:
        server.answers["AnalyzeDocument"] = lambda _: ANALYSIS
    assert [(each.kind, each.text) for each in page.blocks] == [("list", "one\ntwo")]


def test_questions_have_to_be_asked(client: Client) -> None:
    with pytest.raises(InvalidInput, match="questions"):
        client.vision.read_document(picture(), features=["queries"])


def test_document_features_are_textracts_in_small_letters() -> None:
    import aws_model

    assert {each.value.upper() for each in DocumentFeature} == set(
        aws_model.service("textract").shape_for("FeatureType").enum
    )


# --- moderation ----------------------------------------------------------------------------------


def test_moderation_has_the_neutral_category_beside_the_vendors_name(client: Client) -> None:
    result = client.vision.moderate(picture(), min_confidence=0.5)
    assert [(each.category, each.vendor_name, each.vendor_parent) for each in result.labels] == [
        (ModerationCategory.VIOLENCE, "Violence", None),
        (ModerationCategory.VIOLENCE, "Graphic Violence", "Violence"),
        (ModerationCategory.GORE, "Blood & Gore", "Graphic Violence"),
    ]
    assert result.score(ModerationCategory.GORE) == MODERATION["ModerationLabels"][2]["Confidence"] / 100


@pytest.mark.parametrize(
    ("name", "parent", "expected"),
    [
        ("Explicit Nudity", "Explicit", ModerationCategory.NUDITY),
        ("Smoking", "Drugs & Tobacco Paraphernalia & Use", ModerationCategory.TOBACCO),
        ("A New Weapon", "Weapons", ModerationCategory.WEAPONS),
        ("Something Else", "", ModerationCategory.OTHER),
    ],
)
def test_an_unknown_label_has_its_parents_category(name: str, parent: str, expected: ModerationCategory) -> None:
    assert category(name, parent) is expected


# --- several at once -----------------------------------------------------------------------------

ALL = ("detect_labels", "detect_objects", "detect_landmarks", "detect_faces", "read_text", "moderate")


def test_labels_objects_and_landmarks_are_one_request_billed_once(server: StrictServer, client: Client) -> None:
    before = len(server.received)
    answer = client.vision.analyze(picture(), operations=[f"vision.{verb}" for verb in ALL], max_results=1)
    asked = [each.operation for each in server.received[before:]]
    assert asked == ["DetectLabels", "DetectFaces", "DetectText", "DetectModerationLabels"]
    assert answer.labels is not None
    assert answer.objects is not None
    assert answer.landmarks is not None
    assert [each.name for each in answer.labels.labels] == ["eiffel tower"]
    assert [each.name for each in answer.objects.objects] == ["car"]
    assert [each.name for each in answer.landmarks.landmarks] == ["eiffel tower"]
    costs = [each.cost.amount for each in (answer.labels, answer.objects, answer.landmarks) if each.cost]
    assert costs == [Decimal("0.001"), Decimal(0), Decimal(0)]


def test_one_failed_operation_of_several_is_named_and_the_others_are_kept(server: StrictServer, client: Client) -> None:
    server.answers["DetectFaces"] = lambda _: Failure(code="ThrottlingException")
    try:
        answer = client.vision.analyze(picture(), operations=["vision.detect_labels", "vision.detect_faces"])
    finally:
        server.answers["DetectFaces"] = lambda _: FACES
    assert answer.labels is not None
    assert answer.faces is None
    assert answer.errors["vision.detect_faces"].code == "rate_limited"


def test_when_the_first_request_fails_for_the_moment_all_is_tried_again(server: StrictServer) -> None:
    server.next_faults.append(Failure(code="ThrottlingException"))
    with opened(server, attempts=2) as patient:
        answer = patient.vision.analyze(picture(), operations=["vision.detect_labels", "vision.moderate"])
    assert answer.errors == {}


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["detect_labels", "detect_objects", "detect_faces", "moderate", "read_text"])
def test_five_mebibytes_are_sent_and_one_byte_more_is_not(server: StrictServer, client: Client, verb: str) -> None:
    limit = 5_242_880
    getattr(client.vision, verb)(png(limit))
    before = server.requests
    with pytest.raises(TooLarge, match="max_bytes"):
        getattr(client.vision, verb)(png(limit + 1))
    assert server.requests == before


def test_eighty_pixels_are_enough_and_seventy_nine_are_not(client: Client) -> None:
    client.vision.detect_labels(png(0, width=80, height=80))
    with pytest.raises(InvalidInput, match="min_width"):
        client.vision.detect_labels(png(0, width=79, height=80))


def test_the_raw_answer_is_theirs(client: Client) -> None:
    assert client.vision.read_document(picture(), raw=True).raw == DOCUMENT
    assert client.vision.detect_labels(picture()).raw is None


def test_an_option_of_the_wrong_kind_is_refused(client: Client) -> None:
    with pytest.raises(CloudAIError):
        client.vision.moderate(picture(), options={"aws": {"project_version": 7}})
