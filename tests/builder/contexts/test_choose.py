"""A run's grant alone decides where its context comes from; what came from git is told in the report."""

import asyncio
from typing import Any

from shared.grant import Outcome, Source
from tests.builder.contexts.repositories import Repository
from tests.builder.contexts.web import Site

type World = Any  # the class lives in the conftest.py of the folder above, which test modules cannot import

TOKEN = "t0ken-of-a-private-repository"


def live(world: World, site: Site, location: str) -> None:
    private = world.directory / "private"
    private.mkdir()
    (private / "ca.pem").write_bytes(site.bundle.read_bytes())
    world.grant |= {"source": Source(location=location, token=TOKEN), "allowed_hosts": site.allowed}
    assert asyncio.run(asyncio.wait_for(world.live(), 30)) == 0


def test_a_build_from_git_tells_its_commit(world: World, site: Site) -> None:
    repository = Repository(site)
    commit = repository.commit({"sub/Dockerfile": f"FROM scratch\n# {TOKEN}\n"})
    site.login = f"x-access-token:{TOKEN}"
    live(world, site, f"{repository.url}#main:sub")
    assert world.report.outcome is Outcome.SUCCEEDED
    assert world.report.dependencies[0].git_head_revision == commit
    assert world.engine.built[0].context == world.directory / "workspace/sub"
    assert f"git-head-revision: {commit}" in world.text
    assert TOKEN not in world.text


def test_a_run_without_a_context_gets_an_empty_folder(world: World) -> None:
    (world.directory / "workspace").mkdir()
    world.grant["source"] = Source()
    assert asyncio.run(asyncio.wait_for(world.live(), 30)) == 0
    assert "sources" not in world.calls
    assert "the Dockerfile 'Dockerfile' is not in the context" in world.report.error
