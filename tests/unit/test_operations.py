"""The table of types and the vocabulary are one: every operation has types, a driver protocol and a client method."""

from __future__ import annotations

import pytest

from cloudai import driver
from cloudai.operations import TYPES
from cloudai.services.custom import Custom
from cloudai.services.speech import Speech
from cloudai.services.translation import Translation
from cloudai.services.vision import Vision
from cloudai.types.results import Model, Result
from cloudai_pricing.operations import operations

SERVICES = {"vision": Vision, "speech": Speech, "translation": Translation, "custom": Custom}


def test_the_table_holds_the_vocabulary_and_nothing_else() -> None:
    assert list(TYPES) == list(operations())


@pytest.mark.parametrize("name", TYPES)
def test_an_operation_has_types_that_name_it(name: str) -> None:
    assert issubclass(TYPES[name].request, Model)
    assert issubclass(TYPES[name].result, Result)
    assert name == TYPES[name].result.OPERATION


@pytest.mark.parametrize("name", TYPES)
def test_the_guarded_fields_are_fields_of_the_request(name: str) -> None:
    for field in (TYPES[name].media, TYPES[name].text):
        assert field is None or field in TYPES[name].request.model_fields


@pytest.mark.parametrize("name", TYPES)
def test_an_operation_is_a_method_of_its_service_and_of_one_protocol(name: str) -> None:
    known = operations()[name]
    assert callable(getattr(SERVICES[known.service], known.verb))
    protocols = [kind for kind in vars(driver).values() if isinstance(kind, type) and known.verb in vars(kind)]
    assert len(protocols) == 1


@pytest.mark.parametrize("name", TYPES)
def test_a_filled_result_is_what_model_copy_makes(name: str) -> None:
    empty = TYPES[name].result()
    fields = {"operation": name, "backend": "here", "attempts": 2}
    assert empty.filled(**fields) == empty.model_copy(update=fields)
    assert empty.filled(**fields).model_dump_json() == empty.model_copy(update=fields).model_dump_json()
    assert empty.filled(**fields).model_fields_set == empty.model_copy(update=fields).model_fields_set
