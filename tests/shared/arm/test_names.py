"""Ids compare without regard to case and refuse what is not one."""

import pytest

from shared.arm.names import RegistryId, parse_registry_id, parse_run_id
from shared.errors import InvalidRequest

ID = "/subscriptions/S1/resourceGroups/Rg/providers/Microsoft.ContainerRegistry/registries/LocalReg"


def test_an_id_is_read_and_printed_as_written() -> None:
    parsed = parse_registry_id(ID)
    assert parsed == RegistryId("S1", "Rg", "LocalReg")
    assert str(parsed) == ID
    assert parsed.key == "localreg"


def test_ids_compare_without_case() -> None:
    lowered = parse_registry_id(ID.lower())
    assert lowered.same_as(parse_registry_id(ID))
    assert not lowered.same_as(RegistryId("S2", "Rg", "LocalReg"))


@pytest.mark.parametrize("text", ["", "/", ID + "/runs/x", ID.replace("registries", "tasks"), "a" * 5000])
def test_another_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_registry_id(text)


@pytest.mark.parametrize("text", ["", "a/b", "a b", "../x", "a" * 33, "ä"])
def test_a_run_id_is_letters_and_digits(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_run_id(text)


def test_a_run_id_is_lowered() -> None:
    assert parse_run_id("C0ESIDC0") == "c0esidc0"
