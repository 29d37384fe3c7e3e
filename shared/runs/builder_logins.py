"""The logins of the run's own registry that its builder asks for: the fence before each push."""

from shared.access.builder_tokens import Bearer
from shared.errors import Forbidden
from shared.grant import LoginRequest, RegistryLogin
from shared.runs.context import Workshop
from shared.runs.holding import Superseded, own_run
from shared.runs.kept_layers import KeptLayers
from shared.runs.layer_cache import may_write, readable
from shared.runs.model import Run, Status


def login(shop: Workshop, bearer: Bearer, request: LoginRequest) -> RegistryLogin:
    """Answer a short-lived login of the run's registry.

    Raises Superseded when the run is no longer the builder's, Forbidden for a repository to push that is not
    the run's. A run that is not trusted gets a login that can pull what its task's images stand on, the layers kept
    for them, and no more.
    """
    run, registry = own_run(shop, bearer), shop.registry(bearer.registry)
    if run.is_untrusted:
        known = _known_bases(shop, run) | readable(shop, run)
        pull = tuple(name for name in request.pull if name in known)
        return shop.issue_login(registry, pull, ()) if pull else RegistryLogin(registry=registry.login_server)
    foreign = sorted(name for name in set(request.push) if not may_write(shop, run, name))
    if foreign:
        raise Forbidden(f"The run {run.id} may not push to {', '.join(foreign)}.")
    if request.push:
        _note_push(shop, bearer)
    if request.layers and request.layers.repository in {*request.pull, *request.push}:
        # Whoever may not write there has replaced nothing, and what was replaced is deleted.
        is_written = request.layers.repository in request.push
        use = request.layers if is_written else request.layers.model_copy(update={"replaced": ""})
        KeptLayers(shop.storage.layers).note(run.registry, use, shop.clock().date())
    return shop.issue_login(registry, request.pull, request.push)


def _note_push(shop: Workshop, bearer: Bearer) -> None:
    """Note, before the login goes out, that the run may push from now on. Raises Superseded when it is not its turn."""

    def note(run: Run) -> Run | None:
        if run.may_have_pushed:
            return None
        if run.status is not Status.RUNNING or run.epoch != bearer.epoch:
            raise Superseded("The run has ended or belongs to another builder.")
        return run.model_copy(update={"may_have_pushed": True})

    shop.store.change(bearer.registry, bearer.run_id, note)


def _known_bases(shop: Workshop, run: Run) -> set[str]:
    """Answer the repositories of the run's registry that images of its task stood on when they were trusted."""
    task = shop.tasks.find(run.registry, run.task or "")
    own = shop.registry(run.registry).login_server
    return {image.repository for image in (task.base_images if task else ()) if image.registry == own}
