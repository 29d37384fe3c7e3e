"""The end of kept layers: replaced or unused ones go, images never do. A real registry and Azurite."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from shared.errors import Forbidden
from shared.grant import LayersUse, LoginRequest, RegistryLogin
from shared.images.kept import BUILDKIT_LAYERS
from shared.images.manifests import MANIFEST_TYPES
from shared.runs.builder_logins import login
from shared.runs.kept_layers import KeptLayers, LayerSweeper
from shared.settings import RegistrySettings
from tests.shared.images.local_registry import LocalRegistry, running_registry

if TYPE_CHECKING:
    from tests.shared.runs.conftest import Hands

TAG = "cache-0123456789abcdef"
REPOSITORY = "hello"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRegistry]:
    with running_registry(tmp_path_factory.mktemp("layers") / "run", {}, None) as running:
        yield running


class House:
    """A workshop whose registry is the real one, and what lies in it."""

    def __init__(self, hands: "Hands", registry: LocalRegistry) -> None:
        served = hands.registry.model_copy(update={"login_server": registry.name})
        settings = hands.shop.settings.model_copy(update={"registries": (served,), "cache_days": 30})
        self.hands, self.registry = hands, registry
        self.shop = replace(hands.shop, settings=settings)
        self.rows = KeptLayers(self.shop.storage.layers)
        self.asked: list[str] = []
        self.is_refused = False

    def login(self, registry: RegistrySettings, repository: str) -> RegistryLogin:
        self.asked.append(repository)
        if self.is_refused:
            raise Forbidden("no right to delete")
        return RegistryLogin(registry=registry.login_server, token="any")

    def sweep(self) -> int:
        with httpx.Client(trust_env=False) as client:
            plain = frozenset({self.registry.name})
            return LayerSweeper(self.shop, client, self.login, plain).sweep(self.hands.partition)

    def keep(self, note: str, replaced: str = "", tag: str = TAG) -> str:
        """Put layers under the tag and tell of it."""
        config = self.registry.push_blob(REPOSITORY, json.dumps({"note": note}).encode())
        manifest = {"mediaType": MANIFEST_TYPES[0], "config": config | {"mediaType": BUILDKIT_LAYERS}, "layers": []}
        digest: str = self.registry.put(REPOSITORY, tag, manifest)["digest"]
        self.use(replaced, tag)
        return digest

    def use(self, replaced: str = "", tag: str = TAG) -> None:
        use = LayersUse(repository=REPOSITORY, tag=tag, replaced=replaced)
        self.rows.note(self.hands.partition, use, self.shop.clock().date())

    def has(self, digest: str) -> bool:
        url = self.registry.url(f"{REPOSITORY}/manifests/{digest}")
        return httpx.head(url, headers={"accept": MANIFEST_TYPES[0]}).is_success


@pytest.fixture
def house(hands: "Hands", registry: LocalRegistry) -> House:
    return House(hands, registry)


def test_what_was_replaced_is_deleted_from_the_next_day_on(house: House) -> None:
    first = house.keep("first")
    second = house.keep("second", replaced=first)
    assert (house.sweep(), house.has(first)) == (0, True)
    house.hands.later(days=1)
    assert (house.sweep(), house.has(first), house.has(second)) == (1, False, True)
    assert house.sweep() == 0


def test_layers_that_nobody_uses_go_with_their_row(house: House) -> None:
    kept = house.keep("lonely")
    house.hands.later(days=29)
    house.use()
    house.hands.later(days=29)
    assert (house.sweep(), house.has(kept)) == (0, True)
    house.hands.later(days=2)
    assert (house.sweep(), house.has(kept)) == (1, False)
    assert list(house.rows.all(house.hands.partition)) == []
    house.asked.clear()
    assert (house.sweep(), house.asked) == (0, [])


def test_nothing_goes_for_its_age_where_the_setting_says_so(house: House) -> None:
    settings = house.shop.settings.model_copy(update={"cache_days": 0})
    house.shop = replace(house.shop, settings=settings)
    kept = house.keep("eternal")
    house.hands.later(days=3000)
    assert (house.sweep(), house.has(kept)) == (0, True)


def test_a_digest_that_is_under_the_tag_again_stays(house: House) -> None:
    first = house.keep("back and forth")
    second = house.keep("and back", replaced=first)
    house.keep("back and forth", replaced=second)
    house.hands.later(days=1)
    assert (house.sweep(), house.has(first), house.has(second)) == (1, True, False)


def test_a_builder_cannot_have_an_image_deleted(house: House) -> None:
    image = house.registry.push(REPOSITORY, "v1", note="an image")["digest"]
    house.registry.push(REPOSITORY, "cache-fedcba9876543210", note="an image")
    house.use(replaced=image, tag="cache-fedcba9876543210")
    house.hands.later(days=60)
    assert (house.sweep(), house.has(image)) == (0, True)


def test_a_registry_that_refuses_is_asked_again_the_next_time(house: House) -> None:
    first = house.keep("stubborn")
    house.keep("follower", replaced=first)
    house.hands.later(days=1)
    house.is_refused = True
    assert (house.sweep(), house.has(first)) == (0, True)
    house.is_refused = False
    assert (house.sweep(), house.has(first)) == (1, False)


def test_a_login_for_layers_is_noted_where_it_may_be_used(hands: "Hands") -> None:
    run = hands.submit("layers")
    grant = hands.claim(run)
    use = LayersUse(repository="hello", tag=TAG)
    with pytest.raises(Forbidden):
        login(hands.shop, hands.bearer(grant), LoginRequest(push=("other",), layers=use))
    login(hands.shop, hands.bearer(grant), LoginRequest(pull=("other",), layers=use))
    rows = KeptLayers(hands.shop.storage.layers)
    assert list(rows.all(hands.partition)) == []
    login(hands.shop, hands.bearer(grant), LoginRequest(pull=("hello",), push=("hello",), layers=use))
    ((_, known),) = rows.all(hands.partition)
    assert (known.repository, known.tag, dict(known.replaced)) == ("hello", TAG, {})

    replaced = use.model_copy(update={"replaced": "sha256:" + "a" * 64})
    login(hands.shop, hands.bearer(grant), LoginRequest(pull=("hello",), layers=replaced))
    ((_, known),) = rows.all(hands.partition)
    assert dict(known.replaced) == {}
    login(hands.shop, hands.bearer(grant), LoginRequest(push=("hello",), layers=replaced))
    ((_, known),) = rows.all(hands.partition)
    assert list(known.replaced) == [replaced.replaced]
