"""A `push` step: its images in order, behind the fence, their digests read back."""

from builder.engine.logins import login_of
from builder.faults import StepFailed
from builder.publish import PushFailed, published, push
from builder.tasks.room import Room
from shared.grant import LoginRequest, RegistryLogin
from shared.images.references import Reference
from shared.language import PushStep


async def run_push(room: Room, step: PushStep, deadline: float) -> None:
    """Push every image of the step.

    Images of the run's registry go with a token asked for now, and for this step's repositories alone. For others the
    run's logins count, then what a step has left by `docker login`. Raises StepFailed, and Fenced as soon as the
    run is no longer ours.
    """
    images = {Reference.parse(name): name for name in step.images}
    logins = await _logins(room, tuple(images))
    for image, name in images.items():
        login = logins.get(image.registry) or login_of(room.shop.home, image.registry)
        login = login or RegistryLogin(registry=image.registry)
        try:
            digest = await push(room.shop, image, login, shown=name, deadline=deadline)
        except PushFailed:
            raise StepFailed("failed to push images successfully") from None
        if image.registry in logins:
            await published(room.shop, image, login, digest)
        room.pushed[image] = digest


async def _logins(room: Room, images: tuple[Reference, ...]) -> dict[str, RegistryLogin]:
    shop = room.shop
    known = {login.registry: login for login in shop.grant.logins}
    own = tuple(dict.fromkeys(image.repository for image in images if image.registry == shop.registry))
    if own:
        known[shop.registry] = await shop.login(LoginRequest(pull=own, push=own), quiet=True)
    return known
