"""What az asks before it comes to the point: the cloud's endpoints, subscriptions, resources, registries."""

import azure.functions as func

from functions._discovery import cloud_metadata, legacy_cloud_metadata, registry_resource, subscription_resource
from functions._http import REGISTRY_ROUTE, Call, RegistryCall, arm, arm_registry, reply
from functions._services import settings
from shared.arm.filters import parse_resource_type
from shared.arm.names import REGISTRY_TYPE, parse_registry_id
from shared.settings import RegistrySettings, Role

blueprint = func.Blueprint()


@blueprint.function_name("metadata_endpoints")
@blueprint.route(route="metadata/endpoints", methods=["GET"])
def metadata_endpoints(req: func.HttpRequest) -> func.HttpResponse:
    """Describe this cloud for `az cloud register`; needs no token."""
    known, version = settings(), req.params.get("api-version", "")
    if version.startswith("2015"):
        return reply(legacy_cloud_metadata(known))
    body = cloud_metadata(known)
    return reply(body if version >= "2022" else [body])


@blueprint.function_name("subscriptions_list")
@blueprint.route(route="subscriptions", methods=["GET"])
def subscriptions_list(req: func.HttpRequest) -> func.HttpResponse:
    """List the subscriptions of the registries that the caller may see."""

    def use(call: Call) -> func.HttpResponse:
        ids = dict.fromkeys(parse_registry_id(one.id).subscription.lower() for one in _visible(call))
        tenant = call.services.settings.tenant_id
        return reply({"value": [subscription_resource(one, tenant) for one in ids]})

    return arm(req, use)


@blueprint.function_name("tenants_list")
@blueprint.route(route="tenants", methods=["GET"])
def tenants_list(req: func.HttpRequest) -> func.HttpResponse:
    """List the one tenant."""

    def use(call: Call) -> func.HttpResponse:
        tenant = call.services.settings.tenant_id
        return reply({"value": [{"id": f"/tenants/{tenant}", "tenantId": tenant}]})

    return arm(req, use)


@blueprint.function_name("resources_list")
@blueprint.route(route="subscriptions/{subscription}/resources", methods=["GET"])
def resources_list(req: func.HttpRequest) -> func.HttpResponse:
    """Find registries by type: how az learns a registry's resource group."""

    def use(call: Call) -> func.HttpResponse:
        wanted = parse_resource_type(req.params.get("$filter"))
        found = _of_subscription(call) if wanted in {None, REGISTRY_TYPE.lower()} else []
        return reply({"value": [registry_resource(one, with_properties=False).json_object() for one in found]})

    return arm(req, use)


@blueprint.function_name("registries_list")
@blueprint.route(route="subscriptions/{subscription}/providers/Microsoft.ContainerRegistry/registries", methods=["GET"])
def registries_list(req: func.HttpRequest) -> func.HttpResponse:
    """List the registries of a subscription."""

    def use(call: Call) -> func.HttpResponse:
        return reply({"value": [registry_resource(one).json_object() for one in _of_subscription(call)]})

    return arm(req, use)


@blueprint.function_name("registries_list_by_group")
@blueprint.route(
    route="subscriptions/{subscription}/resourceGroups/{resource_group}"
    "/providers/Microsoft.ContainerRegistry/registries",
    methods=["GET"],
)
def registries_list_by_group(req: func.HttpRequest) -> func.HttpResponse:
    """List the registries of a resource group."""

    def use(call: Call) -> func.HttpResponse:
        group = req.route_params["resource_group"].lower()
        found = [one for one in _of_subscription(call) if parse_registry_id(one.id).resource_group.lower() == group]
        return reply({"value": [registry_resource(one).json_object() for one in found]})

    return arm(req, use)


@blueprint.function_name("registries_get")
@blueprint.route(route=REGISTRY_ROUTE, methods=["GET"])
def registries_get(req: func.HttpRequest) -> func.HttpResponse:
    """Show one registry."""

    def use(call: RegistryCall) -> func.HttpResponse:
        return reply(registry_resource(call.registry).json_object())

    return arm_registry(req, Role.READER, use)


def _visible(call: Call) -> list[RegistrySettings]:
    known = call.services
    return [one for one in known.settings.registries if known.callers.holds(call.caller, one.name.lower(), Role.READER)]


def _of_subscription(call: Call) -> list[RegistrySettings]:
    subscription = call.request.route_params["subscription"].lower()
    return [one for one in _visible(call) if parse_registry_id(one.id).subscription.lower() == subscription]
