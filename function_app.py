"""The functions app: the blueprint of every door in `functions/`; modules with a leading underscore are no doors."""

import pkgutil
from importlib import import_module

import azure.functions as func

import functions
from functions._logs import install

DOORS = sorted(module.name for module in pkgutil.iter_modules(functions.__path__) if not module.name.startswith("_"))

install()


def open_app() -> func.FunctionApp:
    """Make an app of all doors. It tells its functions once."""
    opened = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    for door in DOORS:
        opened.register_functions(import_module(f"functions.{door}").blueprint)
    return opened


app = open_app()
