import json
from pathlib import Path

from devstack.stack.credentials import Credentials
from devstack.stack.layout import CHECKOUT, Layout
from devstack.stack.ports import Ports
from devstack.stack.settings import functions_settings

SAMPLE = CHECKOUT / "local.settings.sample.json"


def test_the_sample_names_exactly_the_settings_of_a_local_stack() -> None:
    sample = json.loads(SAMPLE.read_text())["Values"]

    assert sample.keys() == functions_settings(Layout(Path("/state")), Ports(), Credentials()).keys()


def test_the_samples_plain_values_are_those_of_a_local_stack() -> None:
    sample = json.loads(SAMPLE.read_text())["Values"]
    made = functions_settings(Layout(Path(".dev")), Ports(), Credentials())

    assert {name for name in sample if "<" not in sample[name] and sample[name] != made[name]} == set()
