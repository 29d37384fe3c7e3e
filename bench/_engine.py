"""The engine alone, inside a container group like a builder's: what a benchmark of builds is held against."""

import base64
import io
import json
import tarfile
from pathlib import Path

from bench._stack import Stack

_ENGINE_ALONE = """
import asyncio, base64, io, json, os, tarfile, time
from pathlib import Path
from builder.engine.moby import MobyEngine
from builder.engine.protocol import ImageBuild
from builder.trust import write_bundle
from shared.grant import RegistryLogin
from shared.images.references import Reference

async def main():
    private = Path("/run/bench"); private.mkdir()
    context = private / "context"; context.mkdir()
    tarfile.open(fileobj=io.BytesIO(base64.b64decode(os.environ["CONTEXT"]))).extractall(context, filter="data")
    authorities = write_bundle(private / "ca.pem", os.environ["SLIPWAY_CA_BUNDLE"])
    engine = MobyEngine(private, Path("/var/lib/docker"), authorities)
    await engine.start()
    login = RegistryLogin(registry=os.environ["REGISTRY"], username="dev", password=os.environ["PASSWORD"])
    tag = Reference.parse(os.environ["IMAGE"])
    text = (context / "Dockerfile").read_text()
    seconds = []
    for _ in range(int(os.environ["ROUNDS"])):
        began = time.monotonic()
        await engine.build(ImageBuild(context, text, (tag,), logins=(login,)), lambda data: None)
        await engine.push(tag, login, lambda data: None)
        seconds.append(time.monotonic() - began)
        with (context / os.environ["SOURCE"]).open("a") as source:
            source.write("one more line\\n")
    print(json.dumps(seconds), flush=True)
    await engine.stop()

asyncio.run(main())
"""


def engine_alone(stack: Stack, folder: Path, image: str, source: str, rounds: int = 1) -> list[float]:
    """Time the build and push of a context by an engine that starts empty, in seconds, so many times.

    After each round the file `source` of the context has a line more.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(folder, arcname=".")
    environment = {
        "CONTEXT": base64.b64encode(packed.getvalue()).decode(),
        "REGISTRY": stack.login_server,
        "IMAGE": f"{stack.login_server}/{image}",
        "PASSWORD": stack.registry_password,
        "SLIPWAY_CA_BUNDLE": stack.authority,
        "ROUNDS": str(rounds),
        "SOURCE": source,
    }
    printed = stack.in_group(["/usr/bin/tini", "--", "/usr/bin/python3", "-c", _ENGINE_ALONE], environment)
    seconds: list[float] = json.loads(printed.strip().splitlines()[-1])
    return seconds
