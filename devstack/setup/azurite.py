"""Azurite, Azure Storage on one machine, from npm."""

import re
from pathlib import Path

from devstack.errors import StackError
from devstack.setup import packages
from devstack.setup.once import Made
from devstack.setup.run import run

OLD_NODE = 10
NEW_NODE = 22
FOR_OLD_NODE = "3.35.0"
FOR_NEW_NODE = "3.37.0"
SCRIPT = Path("node_modules", "azurite", "dist", "src", "azurite.js")


def version_for(node: str) -> str:
    """Choose the Azurite release for a `node --version` text; raises `StackError` for one too old."""
    match = re.match(r"v(\d+)\.", node.strip())
    major = int(match[1]) if match else 0
    if major < OLD_NODE:
        raise StackError(f"Azurite needs Node.js {OLD_NODE} or newer; `node` here is {node.strip() or 'unknown'}.")
    return FOR_NEW_NODE if major >= NEW_NODE else FOR_OLD_NODE


def ensure(cache: Path) -> Path:
    """Install Azurite unless it is there; gives the path of `azurite.js`."""
    for version in (FOR_NEW_NODE, FOR_OLD_NODE):
        found = _made(cache, version)
        if found.is_ready:
            return found.directory / SCRIPT
    node = run((packages.require("node"), "--version"), "Asking Node.js for its version")
    return _made(cache, version_for(node)).ensure() / SCRIPT


def _made(cache: Path, version: str) -> Made:
    def fill(directory: Path) -> None:
        argv = (packages.require("npm"), "install", f"azurite@{version}", "--prefix", str(directory))
        run((*argv, "--no-audit", "--no-fund", "--loglevel", "error"), "Installing Azurite", folder=directory)

    return Made(f"Azurite {version}", cache / f"azurite-{version}", fill)
