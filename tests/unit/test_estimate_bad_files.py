"""Workload and overlay files that are wrong: file, line and the fix, exit code 2, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudai.cli import main

LINE = '[[line]]\nname = "photos"\noperation = "vision.detect_labels"\n'
GOOD = LINE + 'volume = "3M images/month"\n'
CALLS = '[[line]]\nname = "calls"\noperation = "speech.transcribe"\nvolume = "1500 hours"\n'
TRAIN = '[[line]]\noperation = "custom.train"\n'

# What is wrong -> (the file, its line, what the message says).
WORKLOADS: dict[str, tuple[str | bytes, int | None, str]] = {
    "unknown key": (GOOD + 'volum = "1"\n', 5, "Did you mean 'volume'?"),
    "unknown top key": ('nmae = "x"\n' + GOOD, 1, "Did you mean 'name'?"),
    "unknown operation": (GOOD.replace("detect_labels", "detect_lables"), 3, "Did you mean 'vision.detect_labels'?"),
    "wrong unit": (LINE + 'volume = "3M hours"\n', 4, "counted in images"),
    "unknown unit": (LINE + 'volume = "3M imagess"\n', 4, "Did you mean 'images'?"),
    "no unit": (LINE + 'volume = "261"\n', 4, "of what?"),
    "a bare number": (LINE + "volume = 261\n", 4, "of what?"),
    "negative": (LINE + 'volume = "-3 images"\n', 4, "negative"),
    "not a number": (LINE + 'volume = "nan images"\n', 4, "not a quantity"),
    "a number that is no number": (LINE + "volume = nan\n", 4, "of what?"),
    "infinite": (LINE + "volume = inf\n", 4, "of what?"),
    "1e400": (LINE + "volume = 1e400\n", 4, "of what?"),
    "1e400 in words": (LINE + 'volume = "1e400 images"\n', 4, "unit"),
    "too large": (LINE + 'volume = "99999999999999999999 images"\n', 4, "number of zeros"),
    "5000 digits": (LINE + 'volume = "' + "9" * 5000 + ' images"\n', 4, "number of zeros"),
    "decimal comma": (LINE + 'volume = "1,5 images"\n', 4, "two ways"),
    "minutes or millions": (LINE + 'volume = "3m images"\n', 4, "Write M or min"),
    "unknown period": (LINE + 'volume = "3M images/fortnight"\n', 4, "unknown period"),
    "a list": (LINE + 'volume = ["3M images"]\n', 4, "not a quantity"),
    "no volume": (LINE, 1, "has no volume"),
    "no operation": ('[[line]]\nvolume = "3M images"\n', 1, "has no operation"),
    "no lines": ('name = "x"\n', None, "no lines"),
    "lines are text": ('line = "x"\n', None, "no lines"),
    "line is a number": ("line = [1]\n", 1, "a line is a table"),
    "duplicate names": (GOOD + GOOD, 6, "two lines are called 'photos'"),
    "10,000 lines": ("".join(GOOD.replace("photos", f"p{n}") for n in range(10_000)), None, "10000 lines are more"),
    "unknown region": ('region = "us-esat-1"\n' + GOOD, 1, "Did you mean 'us-east-1'?"),
    "months is text": ('months = "12"\n' + GOOD, 1, "from 1 to 120"),
    "no months": ("months = 0\n" + GOOD, 1, "from 1 to 120"),
    "growth over a year": (GOOD + 'growth = "60%/year"\n', 5, "compounds monthly"),
    "growth is no share": (GOOD + 'growth = "fast"\n', 5, "not a percentage"),
    "shrinks to nothing": (GOOD + 'growth = "-100%/month"\n', 5, "between -100%"),
    "grows past all bounds": ("months = 120\n" + GOOD + 'growth = "900%/month"\n', 6, "grows past"),
    "range is a number": (GOOD + "range = 30\n", 5, "not a range"),
    "range over all": (GOOD + 'range = "±130%"\n', 5, "±100%"),
    "range twice": (GOOD + 'range = "±30%"\nlow = "1M images"\n', 5, "Keep one"),
    "low above volume": (GOOD + 'low = "4M images"\n', 5, "rising order"),
    "high in another unit": (CALLS + 'high = "4M images"\n', 5, "hours"),
    "request in another unit": (CALLS + 'request = "4 images"\n', 5, "mean size of one request"),
    "request per month": (CALLS + 'request = "4 min/month"\n', 5, "size of one request"),
    "features are text": (CALLS + 'features = "diarization"\n', 5, '["diarization"]'),
    "no channels": (CALLS + "channels = 0\n", 5, "from 1 to 100,000"),
    "a cyclic include": ('include = "workload.toml"\n' + GOOD, 1, "unknown key 'include'"),
    "two machines": (TRAIN + 'hours = 3\ninstance = "ml.g5.xlarge"\naccelerator = "L4"\n', 4, "Keep one"),
    "machine for a service": (GOOD + 'accelerator = "L4"\n', 5, "is for custom.train"),
    "runs without a period": (TRAIN + 'hours = 3\naccelerator = "L4"\nruns = 8\n', 5, '"8/month"'),
    "replicas backwards": (
        '[[line]]\noperation = "custom.deploy"\nhours = "24/7"\nreplicas = "6..2"\n', 4, "does not rise"
    ),
    "replicas in words": (
        '[[line]]\noperation = "custom.deploy"\nhours = "24/7"\nreplicas = "two"\n', 4, "number of replicas"
    ),
    "a range of growth": (GOOD + 'growth = "2%..5%"\n', 5, "growth takes no range"),
    "a range of request sizes": (CALLS + 'request = "3..5 min"\n', 5, "request takes no range"),
    "a range of channels": (CALLS + 'channels = "1..2"\n', 5, "channels takes no range"),
    "a range of machines": (TRAIN + 'hours = 3\naccelerator = "L4"\ncount = "1..4"\n', 5, "count takes no range"),
    "a volume that falls": (LINE + 'volume = "3M..1M images"\n', 4, "does not rise"),
    "a volume of two units": (CALLS.replace("1500 hours", "10 images..20 hours"), 4, "counted in"),
    "a range twice, in the volume too": (LINE + 'volume = "1M..3M images"\nrange = "±10%"\n', 5, "Keep one"),
    "low of hours": (TRAIN + 'hours = 3\naccelerator = "L4"\nlow = "1 hour"\n', 5, "low goes with volume"),
    "more hours than a month": ('[[line]]\noperation = "custom.deploy"\nhours = "800 hours/month"\n', 3, "730 hours"),
    "not TOML": (GOOD + "this is not toml\n", 5, "not valid TOML"),
    "a key twice": (GOOD + 'volume = "1 image"\n', 5, "not valid TOML"),
    "unfinished": (GOOD + 'features = ["a",\n', None, "not valid TOML"),
    "binary": (b"\x89PNG\r\n\x1a\n\x00\x00\x00", None, "not a text file"),
    "UTF-16": (GOOD.encode("utf-16"), 1, "save it as UTF-8"),
    "Latin-1": (GOOD.replace("photos", "fotos caf\xe9").encode("latin-1"), 2, "not UTF-8"),
    "nested too deeply": (b"a = " + b"[" * 20_000, None, "nested too deeply"),
    "another line's unknown region": (GOOD + CALLS + 'region = "mars"\n', 9, "unknown region 'mars'"),
    "a control character in the name": ('name = "a\\u0007b"\n' + GOOD, 1, "text of one line"),
}  # fmt: skip


@pytest.mark.parametrize("what", WORKLOADS)
def test_a_wrong_workload_says_where_and_how_to_mend_it(what, tmp_path: Path, capsys):
    content, line, says = WORKLOADS[what]
    path = tmp_path / "workload.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["estimate", str(path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert says in shown.err
    assert "Traceback" not in shown.err
    assert "internal error" not in shown.err
    assert len(shown.err.splitlines()) <= 2
    assert len(shown.err) < 1000
    if line is not None:
        assert f"workload.toml:{line}: " in shown.err


@pytest.mark.parametrize("wrap", [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n")])
def test_a_byte_order_mark_and_crlf_do_no_harm(wrap, tmp_path: Path, capsys):
    path = tmp_path / "workload.toml"
    path.write_bytes(wrap(GOOD).encode())
    assert main(["estimate", str(path), "--provider", "aws"]) == 0
    assert "photos" in capsys.readouterr().out


PRICE = """[[price]]
provider = "acme"
operations = ["vision.detect_labels"]
region = "global"
unit = "image"
"""
TIERS = 'tiers = [{ price = "0.001" }]\n'

OVERLAYS: dict[str, tuple[str, int | None, str]] = {
    "overlapping tiers": (
        PRICE + 'tiers = [{ up_to = "10", price = "2" }, { up_to = "5", price = "1" }]\n', 6, "tiers overlap"
    ),
    "a gap between tiers": (
        PRICE + 'tiers = [{ up_to = "10", price = "2" }, { from = "20", price = "1" }]\n', 6, "leave a gap"
    ),
    "tiers that start twice": (
        PRICE + 'tiers = [{ up_to = "10", price = "2" }, { from = "5", price = "1" }]\n', 6, "overlap"
    ),
    "a tier after the open one": (PRICE + 'tiers = [{ price = "2" }, { price = "1" }]\n', 6, "only the last tier"),
    "a negative price": (PRICE + 'tiers = [{ price = "-2" }]\n', 6, "negative"),
    "a price in words": (PRICE + 'tiers = [{ price = "cheap" }]\n', 6, "not a number"),
    "an infinite price": (PRICE + "tiers = [{ price = inf }]\n", 6, "not a number"),
    "no tiers": (PRICE, 1, "neither tiers nor a commitment"),
    "no provider": (PRICE.replace('provider = "acme"\n', "") + TIERS, 1, "no 'provider'"),
    "unknown key": (PRICE + TIERS + 'prise = "1"\n', 7, "unknown key 'prise'"),
    "unknown unit": (PRICE.replace('"image"', '"imagse"') + TIERS, 5, "Did you mean 'images'?"),
    "a unit of ours, many times": (PRICE.replace('"image"', '"TB"') + TIERS, 5, "Give the price per GB"),
    "a unit of one's own for an operation of ours": (PRICE.replace('"image"', '"face-month"') + TIERS, 5, "unit"),
    "unknown operation": (PRICE.replace("labels", "lables") + TIERS, None, "Did you mean 'vision.detect_labels'?"),
    "not a day": (PRICE + TIERS + 'effective_from = "soon"\n', 7, "not a day"),
    "free twice": (
        PRICE + 'tiers = [{ up_to = "5", price = "0" }, { price = "1" }]\nfree = { quantity = "5", kind = "always" }\n',
        None,
        "Keep free, drop the tier",
    ),
    "one price twice": (PRICE + TIERS + PRICE + TIERS, None, "two prices for acme"),
    "a discount over all": ('[[discount]]\nprovider = "aws"\npercent = "120"\n', 3, "from 0 to 100"),
    "two discounts": ('[[discount]]\nprovider = "aws"\npercent = "5"\n' * 2, 4, "two discounts"),
    "unknown table": ("[[prices]]\n", 1, "Did you mean 'price'?"),
}  # fmt: skip


@pytest.mark.parametrize("what", OVERLAYS)
def test_a_wrong_overlay_says_where_and_how_to_mend_it(what, tmp_path: Path, capsys):
    content, line, says = OVERLAYS[what]
    path = tmp_path / "own.toml"
    path.write_text(content, encoding="utf-8")
    assert main(["estimate", "vision.detect_labels=3M images", "--prices", str(path)]) == 2
    shown = capsys.readouterr()
    assert says.lower() in shown.err.lower()
    assert "own.toml" in shown.err
    assert "internal error" not in shown.err
    assert len(shown.err.splitlines()) <= 2
    if line is not None:
        assert f"own.toml:{line}: " in shown.err
