"""Model folders of CTranslate2: a tiny real model with a real SentencePiece tokenizer, both made here."""

import random
import shutil
import threading
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import sentencepiece
from ctranslate2.specs import TransformerSpec, model_spec
from hypothesis import given
from hypothesis import strategies as st

from cloudai.driver import Call
from cloudai.errors import ErrorCode, InvalidInput, MissingDependency, ServiceError, Unsupported
from cloudai.types.translation import LanguagesRequest, TranslateRequest, TranslateResult
from cloudai_local import translation
from cloudai_local.ctranslate import CTranslate2
from cloudai_local.sentences import pieces
from cloudai_local.settings import LocalOptions, LocalSettings

WIDTH = 16
PAIR = """
task = "translate"
source = "en"
target = "de"
tokenizer = { source = "source.spm" }
tokens = { source_suffix = ["</s>"] }
"""
MANY = """
task = "translate"
tokenizer = { source = "source.spm" }
[codes]
en = "eng_Latn"
de = "deu_Latn"
zh-TW = "zho_Hant"
[tokens]
source_prefix = ["{source}"]
source_suffix = ["</s>"]
target_prefix = ["{target}"]
"""
CODES = ["eng_Latn", "deu_Latn", "zho_Hant"]


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one layer with random weights, its vocabulary, and the tokenizer that the vocabulary is of."""
    folder = tmp_path_factory.mktemp("weights")
    _train_tokenizer(folder / "source.spm")
    spm = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    vocabulary = [spm.id_to_piece(index) for index in range(spm.get_piece_size())] + CODES
    spec = _random_spec(len(vocabulary))
    spec.register_source_vocabulary(vocabulary)
    spec.register_target_vocabulary(vocabulary)
    spec.validate()
    spec.save(str(folder))
    return folder


def _train_tokenizer(path: Path, letters: str = "abcdefghijklmnop") -> None:
    dice = random.Random(7)
    words = ["".join(dice.choices(letters, k=dice.randint(2, 7))) for _ in range(200)]
    text = path.with_suffix(".txt")
    text.write_text("\n".join(" ".join(dice.choices(words, k=8)) + "." for _ in range(400)))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(path.with_suffix("")), vocab_size=80, minloglevel=2, character_coverage=1.0
    )
    path.with_suffix(".model").rename(path)


def _random_spec(size: int) -> TransformerSpec:
    spec = TransformerSpec.from_config((1, 1), 2)
    dice = np.random.default_rng(3)
    rows = {"self_attention/linear_0": 3, "attention/linear_1": 2, "ffn/linear_0": 4}

    def fill(layer: object, name: str, value: object) -> None:
        path, _, part = name.rpartition("/")
        if part in ("gamma", "beta"):
            setattr(layer, part, np.full(WIDTH, part == "gamma", dtype=np.float32))
        elif part in ("weight", "bias") and "scale" not in part:
            times = next((factor for end, factor in rows.items() if path.endswith(end)), 1)
            times = 1 if path.endswith("self_attention/linear_1") else times
            height = size if "embeddings" in path or "projection" in path else WIDTH * times
            width = WIDTH * 4 if path.endswith("ffn/linear_1") else WIDTH
            if part == "weight":
                setattr(layer, part, dice.normal(0, 0.5, (height, width)).astype(np.float32))
            elif "embeddings" not in path:
                setattr(layer, part, np.zeros(height, dtype=np.float32))

    model_spec.visit_spec(spec, fill)
    return spec


@pytest.fixture
def models(tmp_path: Path, weights: Path) -> Path:
    """A folder of two model folders."""
    root = tmp_path / "models"
    for name, manifest in (("pair", PAIR), ("many", MANY)):
        shutil.copytree(weights, root / name)
        (root / name / "model.toml").write_text(manifest)
    return root


@pytest.fixture(autouse=True)
def _no_models_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDAI_CACHE", str(tmp_path / "cache"))


def _engine(models: Path, **settings: object) -> CTranslate2:
    return CTranslate2(LocalSettings.model_validate({"provider": "local", "models": models, **settings}))


def _translate(
    engine: translation.TranslationEngine, *texts: str, call: Call | None = None, **request: object
) -> TranslateResult:
    asked = TranslateRequest.model_validate({"texts": texts, "source": "en", "target": "de", **request})
    return engine.translate(asked, call or Call(timeout=60))


# --- what it says is what CTranslate2 says -----------------------------------------------------------


def test_a_sentence_is_what_ctranslate2_itself_makes_of_it(models: Path) -> None:
    text = "abc defg hijk."
    spm = sentencepiece.SentencePieceProcessor(model_file=str(models / "pair" / "source.spm"))
    bare = ctranslate2.Translator(str(models / "pair"), device="cpu")
    source = [*spm.encode(text, out_type=str), "</s>"]
    expected = bare.translate_batch([source], beam_size=2, max_decoding_length=400)[0].hypotheses[0]
    result = _translate(_engine(models), text, model="pair")
    assert result.text == spm.decode(expected)
    assert result.model == "pair (cpu)"
    assert (result.translations[0].source, result.target) == ("en", "de")


def test_languages_go_into_the_tokens_as_the_models_own_codes(models: Path) -> None:
    text = "abc defg"
    spm = sentencepiece.SentencePieceProcessor(model_file=str(models / "many" / "source.spm"))
    bare = ctranslate2.Translator(str(models / "many"), device="cpu")
    source = ["deu_Latn", *spm.encode(text, out_type=str), "</s>"]
    said = bare.translate_batch([source], target_prefix=[["zho_Hant"]], beam_size=2, max_decoding_length=400)[
        0
    ].hypotheses[0]
    assert said[0] == "zho_Hant"
    result = _translate(_engine(models), text, source="de", target="zh-Hant")
    assert result.text == spm.decode(said[1:])
    assert result.model == "many (cpu)"


def test_many_texts_are_what_they_are_one_by_one(models: Path) -> None:
    engine = _engine(models)
    texts = ["abc.", "", "  abc def\n\nabc. Def\n", "42", "hij klm nop"]
    together = [each.text for each in _translate(engine, *texts, model="pair").translations]
    assert together == [_translate(engine, text, model="pair").text for text in texts]
    assert (together[1], together[3]) == ("", "42")


def test_line_breaks_and_outer_spaces_are_kept(models: Path) -> None:
    said = _translate(_engine(models), "  abc def\n\n\tabc.\n", model="pair").text
    assert said.startswith("  ")
    assert said.endswith("\n")
    assert "\n\n\t" in said


def test_a_sentence_longer_than_the_model_takes_is_cut_not_truncated(models: Path) -> None:
    manifest = models / "pair" / "model.toml"
    manifest.write_text("max_tokens = 8\n" + PAIR)
    engine = _engine(models)
    words = ["abc", "defg", "hijk", "lmno", "pabc", "defg", "hijk", "lmno"]
    whole = _translate(engine, " ".join(words), model="pair").text
    spm = sentencepiece.SentencePieceProcessor(model_file=str(models / "pair" / "source.spm"))
    parts = list(pieces(" ".join(words), fits=lambda text: len(spm.encode(text)) <= 8))
    assert len(parts) > 1
    assert whole == "".join(part.before + _translate(engine, part.text, model="pair").text for part in parts)


def test_a_model_that_does_not_come_to_an_end_is_reported(models: Path) -> None:
    (models / "pair" / "model.toml").write_text("max_tokens = 8\n" + PAIR)
    result = _translate(_engine(models), "abcdefg hijklmnop.", "hij klm nop", "Abc. Def.", model="pair")
    spm = sentencepiece.SentencePieceProcessor(model_file=str(models / "pair" / "source.spm"))
    assert any(len(spm.encode(each.text)) >= 8 for each in result.translations)
    assert [notice.code for notice in result.warnings] == ["truncated"]
    assert result.usage[0].quantity == 38


def test_threads_share_one_model_and_get_the_same_answers(models: Path) -> None:
    engine = _engine(models)
    expected = _translate(engine, "abc defg.", model="pair").text
    said: list[str] = []
    threads = [
        threading.Thread(target=lambda: said.append(_translate(engine, "abc defg.", model="pair").text))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [expected] * 8
    engine.close()
    assert _translate(engine, "abc defg.", model="pair").text == expected


# --- which folder ------------------------------------------------------------------------------------


def test_the_folder_with_the_pair_is_taken(models: Path) -> None:
    engine = _engine(models)
    assert _translate(engine, "abc", source="de", target="en").model == "many (cpu)"
    assert _translate(engine, "abc", source="en-GB", target="zh-Hant-TW").model == "many (cpu)"


def test_the_call_the_options_and_the_settings_name_a_folder(models: Path) -> None:
    assert _translate(_engine(models), "abc", model="pair").model == "pair (cpu)"
    options = Call(timeout=60, options=LocalOptions(model="pair"))
    assert _translate(_engine(models), "abc", call=options).model == "pair (cpu)"
    serve = {"translation.translate": "pair"}
    assert _translate(_engine(models, serve=serve), "abc").model == "pair (cpu)"


def test_the_pairs_of_all_folders_are_listed(models: Path) -> None:
    languages = {each.code: each for each in _engine(models).languages(LanguagesRequest(), Call(timeout=9)).languages}
    assert set(languages) == {"en", "de", "zh-Hant-TW"}
    assert languages["en"].targets == ("de", "zh-Hant-TW")


def test_a_pair_that_no_folder_has_is_refused_with_those_there_are(models: Path) -> None:
    with pytest.raises(MissingDependency, match=r"pair \(en -> de\)") as caught:
        _translate(_engine(models), "abc", target="fr")
    assert caught.value.code is ErrorCode.UNSUPPORTED
    with pytest.raises(InvalidInput, match="there are: many, pair") as unknown:
        _translate(_engine(models), "abc", model="huge")
    assert unknown.value.code is ErrorCode.NOT_FOUND


def test_html_is_refused(models: Path) -> None:
    with pytest.raises(Unsupported, match="plain text"):
        _translate(_engine(models), "<b>abc</b>", format="html")


def test_the_deadline_is_looked_at_between_batches(models: Path) -> None:
    with pytest.raises(ServiceError) as caught:
        _translate(_engine(models), "Abc. " * 500, model="pair", call=Call(timeout=0.0))
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED


def test_without_a_folder_the_way_to_get_one_is_said(tmp_path: Path) -> None:
    gap = _engine(tmp_path / "empty").missing()
    assert gap is not None
    assert "cloudai local models add" in gap.install


# --- folders that are wrong --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ('task = "translate"', "tokenizer"),
        (PAIR.replace('source = "en"\n', ""), "give source and target"),
        (PAIR.replace('"en"', '"englsh"', 1), "did you mean 'en'"),
        ("beam_size = 0\n" + PAIR, "beam_size"),
        ("magic = 1\n" + PAIR, "magic"),
        (PAIR.replace("source.spm", "nowhere.spm"), "nowhere.spm is missing"),
        (PAIR.replace("source.spm", "config.json"), "no SentencePiece model"),
        ('compute_type = "float99"\n' + PAIR, "can't load"),
    ],
)
def test_a_wrong_manifest_is_refused_with_the_key(manifest: str, said: str, models: Path) -> None:
    shutil.rmtree(models / "many")
    (models / "pair" / "model.toml").write_text(manifest)
    with pytest.raises(InvalidInput, match=said):
        _translate(_engine(models), "abc")


def test_a_broken_folder_does_not_stand_in_the_way_of_a_sound_one(models: Path) -> None:
    (models / "many" / "model.toml").write_text('task = "translate"\n')
    assert (_translate(_engine(models), "abc").model or "").startswith("pair ")
    with pytest.raises(InvalidInput, match=r"many.*tokenizer"):
        _translate(_engine(models), "abc", model="many")


def test_where_all_folders_are_broken_the_engine_lacks_what_is_wrong(models: Path) -> None:
    for name in ("many", "pair"):
        (models / name / "model.toml").write_text('task = "translate"\n')
    gap = _engine(models).missing()
    assert gap is not None
    assert "tokenizer" in gap.reason


@pytest.mark.parametrize("file", ["model.bin", "shared_vocabulary.json"])
def test_a_missing_file_is_refused_naming_the_folder(file: str, models: Path) -> None:
    (models / "pair" / file).unlink()
    with pytest.raises(InvalidInput, match="pair"):
        _translate(_engine(models), "abc", model="pair")


def test_a_truncated_model_is_refused(models: Path) -> None:
    path = models / "pair" / "model.bin"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InvalidInput, match="can't load"):
        _translate(_engine(models), "abc", model="pair")


def test_a_tokenizer_of_another_model_is_refused_with_both_sizes(models: Path) -> None:
    _train_tokenizer(models / "pair" / "other.spm", letters="qrstuvwxyzäöüß12")
    (models / "pair" / "model.toml").write_text(PAIR.replace("source.spm", "other.spm"))
    with pytest.raises(InvalidInput, match=r"vocabulary of 83 has \d+ of its 80 pieces"):
        _translate(_engine(models), "abc", model="pair")


def test_a_file_outside_its_folder_is_refused(models: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.spm"
    shutil.copy(models / "pair" / "source.spm", outside)
    for name in ("../../outside.spm", "link.spm"):
        (models / "pair" / "model.toml").write_text(PAIR.replace("source.spm", name))
        (models / "pair" / "link.spm").unlink(missing_ok=True)
        (models / "pair" / "link.spm").symlink_to(outside)
        with pytest.raises(InvalidInput, match="outside its model folder"):
            _translate(_engine(models), "abc", model="pair")


# --- the engine for whatever pair --------------------------------------------------------------------


@pytest.mark.program("apertium")
def test_each_call_goes_to_the_engine_that_has_its_pair(models: Path) -> None:
    by_pair, *_ = translation.engines(LocalSettings(provider="local", models=models))
    assert by_pair.missing() is None
    assert _translate(by_pair, "abc").model in ("many (cpu)", "pair (cpu)")
    assert _translate(by_pair, "the house", target="es").text == "La casa"
    assert _translate(by_pair, "<p>the house</p>", target="es", format="html").text == "<p>La casa</p>"
    languages = {each.code: each for each in by_pair.languages(LanguagesRequest(), Call(timeout=9)).languages}
    assert languages["en"].targets == ("de", "es", "zh-Hant-TW")


@pytest.mark.program("apertium")
def test_when_no_engine_has_the_pair_each_says_what_it_has(models: Path) -> None:
    by_pair, *_ = translation.engines(LocalSettings(provider="local", models=models))
    with pytest.raises(MissingDependency) as caught:
        _translate(by_pair, "abc", target="fr")
    for said in ("pair (en -> de)", "en -> es", "apt install", "cloudai local models add"):
        assert said in str(caught.value)


def test_when_no_engine_is_there_the_ways_to_get_one_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    by_pair, *_ = translation.engines(LocalSettings(provider="local", models=tmp_path))
    assert by_pair.missing() is not None


# --- sentences ---------------------------------------------------------------------------------------


@given(st.text(max_size=300), st.integers(1, 40))
def test_pieces_put_together_are_the_text(text: str, most: int) -> None:
    cut = list(pieces(text, fits=lambda piece: len(piece) <= most))
    assert "".join(piece.before + piece.text for piece in cut) == text
    assert all(len(piece.text) <= most for piece in cut)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It rains. It snows! Why?", ["It rains.", "It snows!", "Why?"]),
        ("See e.g. the 3.5 mm one. Fine.", ["See e.g. the 3.5 mm one.", "Fine."]),
        ("one\ntwo", ["one", "two"]),
        ("下雨了。很冷！", ["下雨了。", "很冷！"]),
    ],
)
def test_sentences_end_where_they_end(text: str, sentences: list[str]) -> None:
    assert [piece.text for piece in pieces(text, fits=lambda _: True) if piece.text] == sentences
