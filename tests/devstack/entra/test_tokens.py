import pytest

from devstack.entra.directory import Directory, ManagedIdentity
from devstack.entra.tokens import Subject, audience_of, claims

DIRECTORY = Directory(
    tenant_id="tid",
    authority="https://localhost:1",
    identity=ManagedIdentity(client_id="c", object_id="o", header="h"),
)


@pytest.mark.parametrize(
    ("scope", "audience"),
    [
        ("https://management.core.windows.net//.default", "https://management.core.windows.net/"),
        ("https://management.azure.com/.default", "https://management.azure.com"),
        ("api://slipway/.default", "api://slipway"),
        ("openid profile https://management.azure.com//.default", "https://management.azure.com/"),
        ("https://management.azure.com/user_impersonation", None),
        ("/.default", None),
        ("", None),
    ],
)
def test_the_audience_is_the_scope_without_exactly_one_default_suffix(scope: str, audience: str | None) -> None:
    assert audience_of(scope) == audience


def test_claims_name_tenant_caller_and_times() -> None:
    made = claims(DIRECTORY, Subject("client", "object"), "https://aud/", 1_000_000)

    assert made["iss"] == "https://localhost:1/tid/v2.0"
    assert (made["aud"], made["tid"], made["oid"], made["sub"]) == ("https://aud/", "tid", "object", "object")
    assert made["appid"] == made["azp"] == "client"
    assert (made["iat"], made["nbf"], made["exp"]) == (1_000_000, 999_700, 1_086_400)


def test_roles_are_claimed_only_when_there_are_some() -> None:
    assert "roles" not in claims(DIRECTORY, Subject("c", "o"), "a", 0)
    assert claims(DIRECTORY, Subject("c", "o", ("Runner",)), "a", 0)["roles"] == ["Runner"]
