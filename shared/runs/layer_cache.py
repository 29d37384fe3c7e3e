"""Which repositories of its registry a run keeps layers in, and which it may read them from."""

from shared.arm.requests import DockerBuildRequest
from shared.errors import LanguageError
from shared.grant import LayerCache
from shared.images.targets import target
from shared.runs.context import Workshop
from shared.runs.model import Run
from shared.runs.sealed import open_request
from shared.runs.submit import run_variables

_OWN = "{repository}"


def layer_cache(shop: Workshop, run: Run) -> LayerCache | None:
    """Answer what a builder is told; what a stranger wrote never writes layers.

    It reads them only where they lie apart from images: whoever may pull layers may pull all of their repository.
    """
    repository = shop.settings.cache_repository
    if run.is_untrusted and repository == _OWN:
        return None
    return LayerCache(repository=repository, is_writable=not run.is_untrusted) if repository else None


def kept_beside(shop: Workshop, repository: str) -> str:
    """Answer where the layers of a repository's images are kept; empty where none are."""
    return shop.settings.cache_repository.replace(_OWN, repository)


def may_write(shop: Workshop, run: Run, repository: str) -> bool:
    """Whether a run may write to a repository: one that it publishes to, or where the layers of such a one are kept."""
    return run.may_push(repository) or any(kept_beside(shop, own) == repository for own in run.push_repositories)


def readable(shop: Workshop, run: Run) -> set[str]:
    """Answer the repositories of the layers of images that an untrusted run is asked to build.

    A name that says `{{` may follow from the name of a stranger's branch, so it opens nothing. What the text of a task
    builds is a stranger's word: there it is what the task published when it was trusted.
    """
    if layer_cache(shop, run) is None:
        return set()
    request, registry = open_request(shop, run), shop.registry(run.registry)
    if not isinstance(request, DockerBuildRequest):
        task = shop.tasks.find(run.registry, run.task or "")
        return {kept_beside(shop, name) for name in (task.published if task else ())}
    try:
        names = [
            target(name, run_variables(registry, run))
            for name in request.image_names
            if "{{" not in name.partition(":")[0]
        ]
    except LanguageError:
        return set()
    own = {name.repository for name in names if name.registry == registry.login_server}
    return {kept_beside(shop, name) for name in own}
