"""Face detect v1.2: boxes, 27 points, pose and what is left of the attributes. No face is identified: no `faceId`.

Wire: https://learn.microsoft.com/rest/api/face/face-detection-operations/detect (read 2026-11-21).

- Left and right in its landmarks are the *viewer's*: in replies to upright photographs `pupilLeft.x` is less than
  `pupilRight.x`. Ours are the person's, so they change places.
- Pose has our signs. Roll and yaw were seen in such replies: roll 9.8 with the eyes falling to the right of the image
  (clockwise, as the documentation's own sample turns the rectangle by it), yaw -30.9 with the nose to the left of the
  eyes' middle (the person's right). The angles follow the right-hand rule: with these two, pitch is positive for a face
  that looks up. No picture was there to see that on.
- The reply does not say the picture's size. Pictures with an EXIF orientation are turned upright before faces are
  looked for, and rectangle, landmarks and pose are those of the upright picture.

Both: https://learn.microsoft.com/azure/ai-services/computer-vision/concept-face-detection (2026-01-30).
"""

from __future__ import annotations

import re

from cloudai.errors import InvalidInput
from cloudai.types import vision as v
from cloudai.types.geometry import Point
from cloudai.types.results import Notice
from cloudai.wirejson import JsonNode
from cloudai_azure.codec_vision import image_wire, used
from cloudai_azure.settings import FaceOptions
from cloudai_azure.values import Frame, ignored, rectangle, upright
from cloudai_azure.wire import Answer, Flow, Wire, needed, needed_number, needed_text

ATTRIBUTES = {
    "detection_01": ("headPose", "glasses", "occlusion", "accessories", "blur", "exposure", "noise"),
    "detection_02": (),
    "detection_03": ("headPose", "mask", "blur"),
}
"""What each model can tell. https://learn.microsoft.com/azure/ai-services/computer-vision/concept-face-detection."""

_LANDMARKS = {
    "pupil": "eye",
    "noseTip": "nose_tip",
    "mouth": "mouth",
    "upperLipTop": "upper_lip",
    "underLipBottom": "lower_lip",
}


def detect_faces(request: v.DetectFacesRequest, options: FaceOptions, *, raw: bool) -> Flow[v.DetectFacesResult]:
    frame = upright(request.image)
    if frame is None:
        raise InvalidInput("Face does not say how large a picture is: pass the bytes, not the address")
    answer = yield faces_wire(request, options)
    faces = faces_of(answer, frame)
    return v.DetectFacesResult(
        faces=faces[: request.max_results],
        usage=used("vision.detect_faces"),
        warnings=_notices(request),
        request_id=answer.request_id,
        raw=answer.raw(raw),
        model=model_of(request, options),
    )


def model_of(request: v.DetectFacesRequest, options: FaceOptions) -> str:
    """The one with the attributes when they are asked for, else the newest."""
    return options.detection_model or ("detection_01" if request.attributes else "detection_03")


def faces_wire(request: v.DetectFacesRequest, options: FaceOptions) -> Wire:
    """Landmarks and pose where the model has them; further attributes when asked for."""
    model = model_of(request, options)
    wanted = ATTRIBUTES[model] if request.attributes else ATTRIBUTES[model][:1]
    query = {"detectionModel": model, "returnFaceId": "false"}
    if model != "detection_02":
        query["returnFaceLandmarks"] = "true"
    if wanted:
        query["returnFaceAttributes"] = ",".join(wanted)
    return image_wire("face", "/face/v1.2/detect", request.image, query)


def faces_of(answer: Answer, frame: Frame) -> tuple[v.Face, ...]:
    """Largest first."""
    faces = [_face(node, frame) for node in answer.items]
    return tuple(sorted(faces, key=lambda face: -face.box.w * face.box.h))


def _face(node: JsonNode, frame: Frame) -> v.Face:
    attributes = node.at("faceAttributes")
    blur, exposure = attributes.at("blur"), attributes.at("exposure")
    return v.Face(
        box=rectangle(needed(node, "faceRectangle"), frame, ("left", "top", "width", "height")),
        landmarks=_landmarks(node.at("faceLandmarks"), frame),
        pose=_pose(attributes.at("headPose")),
        attributes=tuple(_attributes(attributes)),
        sharpness=1 - _part(blur) if blur else None,
        brightness=_part(exposure) if exposure else None,
    )


def _part(node: JsonNode) -> float:
    """`value` of blur or exposure, within 0..1."""
    return min(1.0, max(0.0, needed_number(node, "value")))


def _landmarks(node: JsonNode, frame: Frame) -> tuple[v.Landmark, ...]:
    if not node:
        return ()
    return tuple(
        v.Landmark(type=landmark(name), vendor_type=name, point=_point(each, frame)) for name, each in node.members()
    )


def _point(node: JsonNode, frame: Frame) -> Point:
    return frame.point(needed_number(node, "x"), needed_number(node, "y"))


def landmark(name: str) -> str:
    """`pupilLeft` -> `right_eye`, `eyebrowLeftOuter` -> `eyebrow_right_outer`: the person's side for the viewer's."""
    swapped = re.sub("Left|Right", lambda side: "Right" if side[0] == "Left" else "Left", name)
    side = "left" if swapped.endswith("Left") else "right"
    stem = name.removesuffix("Left").removesuffix("Right")
    if stem == "pupil":
        return f"{side}_eye"
    if stem == "mouth":
        return f"mouth_{side}"
    return _LANDMARKS.get(name) or re.sub(r"(?<!^)([A-Z])", r"_\1", swapped).lower()


def _pose(node: JsonNode) -> v.Pose | None:
    if not node:
        return None
    return v.Pose(roll=needed_number(node, "roll"), yaw=needed_number(node, "yaw"), pitch=needed_number(node, "pitch"))


def _attributes(node: JsonNode) -> list[v.Attribute]:
    found = list[v.Attribute]()
    if glasses := node.text("glasses"):
        found.append(v.Attribute(name="glasses", value=glasses.lower() != "noglasses"))
        found.append(v.Attribute(name="glasses_kind", value=glasses))
    if mask := node.at("mask"):
        found.append(v.Attribute(name="mask", value=mask.text("type") not in ("noMask", "uncertain")))
        found.append(v.Attribute(name="mask_kind", value=mask.text("type")))
    if occlusion := node.at("occlusion"):
        found += [
            v.Attribute(name=f"{part}_occluded", value=_flag(occlusion, f"{part}Occluded"))
            for part in ("forehead", "eye", "mouth")
        ]
    for each in node.items("accessories"):
        sure = each.ratio("confidence")
        found.append(v.Attribute(name=f"accessory_{needed_text(each, 'type').lower()}", value=True, confidence=sure))
    if noise := node.at("noise"):
        found.append(v.Attribute(name="noise", value=needed_number(noise, "value")))
    return found


def _flag(node: JsonNode, name: str) -> bool:
    needed(node, name)
    return node.flag(name)


def _notices(request: v.DetectFacesRequest) -> tuple[Notice, ...]:
    if not request.attributes:
        return ()
    return (ignored("age, gender, emotion", "Azure has withdrawn these attributes"),)
