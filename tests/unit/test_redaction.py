"""What is taken out of a text before it leaves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudai import Client
from cloudai.calls.redaction import DETECTORS, IBAN_LENGTHS, is_card, is_iban, redact
from cloudai.config import BackendConfig, Config, Origin, Route
from cloudai.testing import FakeBackend
from cloudai.types.speech import SynthesizeRequest
from cloudai.types.translation import TranslateRequest

HERE = Origin(place="test")
ALL = tuple(DETECTORS)

FOUND = {
    # test numbers that card schemes publish
    "visa": ("4111 1111 1111 1111", "card"),
    "mastercard": ("5555-5555-5555-4444", "card"),
    "amex": ("378282246310005", "card"),
    "maestro": ("6759 6498 2643 8453", "card"),
    # the SWIFT registry's examples
    "iban de": ("DE89 3704 0044 0532 0130 00", "iban"),
    "iban gb": ("GB29NWBK60161331926819", "iban"),
    "iban no": ("NO93 8601 1117 947", "iban"),
    "iban mt": ("MT84MALT011000012345MTLCAST001S", "iban"),
    "mail": ("anna.schmidt+news@mail.example.co.uk", "email"),
    "mail umlaut": ("jörg@müller.example", "email"),
    "phone": ("+49 30 901820-12", "phone"),
    "phone us": ("+1-415-555-2671", "phone"),
    "phone brackets": ("(030) 90 18 20 12", "phone"),
    "phone zeros": ("0049 30 901820", "phone"),
}
LEFT = (
    "4111 1111 1111 1112",
    "DE88370400440532013000",
    "order 1234567890123456",
    "2026-11-21 15:44:19",
    "192.168.100.200",
    "1,234,567.89 USD",
    "v1.2.3-rc.4",
    "user@localhost",
    "@handle",
    "DE89",
    "ISBN 978-3-16-148410-0",
)


@pytest.mark.parametrize("case", FOUND)
def test_a_find_becomes_its_name(case: str) -> None:
    text, name = FOUND[case]
    (cleaned,), counts = redact([f"Bitte an {text}, danke."], ALL, None)
    assert cleaned == f"Bitte an [{name}], danke."
    assert counts == {name: 1}


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_alike_stays(text: str) -> None:
    assert redact([f"see {text} there"], ALL, None) == ((f"see {text} there",), {})


@given(st.text(alphabet="0123456789 -.", max_size=40))
def test_a_card_is_never_found_without_its_check_digit(text: str) -> None:
    (cleaned,), counts = redact([text], ("card",), None)
    assert (cleaned == text) is (not counts)


@given(st.integers(10**11, 10**18 - 1))
def test_one_of_ten_last_digits_makes_a_card(number: int) -> None:
    good = [digit for digit in range(10) if is_card(f"{number}{digit}")]
    assert len(good) == (1 if len(str(number)) >= 12 else 0)


@given(st.sampled_from(sorted(IBAN_LENGTHS)), st.data())
def test_swapped_digits_make_no_iban(country: str, data: st.DataObject) -> None:
    body = data.draw(
        st.text(alphabet="0123456789", min_size=IBAN_LENGTHS[country] - 4, max_size=IBAN_LENGTHS[country] - 4)
    )
    number = int("".join(str(int(character, 36)) for character in body + country + "00"))
    iban = f"{country}{98 - number % 97:02d}{body}"
    assert is_iban(iban)
    for index in range(4, len(iban) - 1):
        if iban[index] != iban[index + 1]:
            assert not is_iban(iban[:index] + iban[index + 1] + iban[index] + iban[index + 2 :])


@given(st.text(max_size=300))
def test_nothing_raises_and_no_text_is_lost_around_a_find(text: str) -> None:
    (cleaned,), counts = redact([text], ALL, None)
    assert sum(cleaned.count(f"[{name}]") - text.count(f"[{name}]") for name in ALL) == sum(counts.values())


def test_a_users_function_comes_last_and_is_counted() -> None:
    cleaned, counts = redact(["Anna: 4111111111111111", "nothing"], ("card",), lambda text: text.replace("Anna", "X"))
    assert cleaned == ("X: [card]", "nothing")
    assert counts == {"card": 1, "own": 1}


def routed(**route: object) -> Config:
    backends = {"fake": BackendConfig(name="fake", provider="fake", values={}, origin=HERE)}
    made = Route(pattern="*", backends=("fake",), origin=HERE, redact=("email", "card"))
    return Config(source=None, backends=backends, routes=(made,))


def test_what_was_taken_out_never_leaves_and_is_said() -> None:
    fake = FakeBackend()
    with Client(routed(), providers=(fake,), redact=lambda text: text.replace("Codename", "it")) as client:
        result = client.translation.translate(["mail a@example.org", "Codename 4111111111111111"], target="de")
        client.speech.synthesize("b@example.org", voice=None)
    sent = [call.request for call in fake.calls]
    assert isinstance(sent[0], TranslateRequest)
    assert sent[0].texts == ("mail [email]", "it [card]")
    assert isinstance(sent[1], SynthesizeRequest)
    assert sent[1].text == "[email]"
    (said,) = [notice.message for notice in result.warnings if notice.code == "redacted"]
    assert said == "taken out before sending: 1 x card, 1 x email, 1 x own"
