"""Lets Debian 12's azure-cli 2.45.0 run its network commands; python loads it when this directory is on PYTHONPATH.

Debian pairs that CLI with a build of azure-mgmt-network that does not have the API version that the CLI's default profile names, nor the
module of operations of the version it has. Nothing of either package is changed: the profile is pointed at the version that is there, and
its operations are those of the package's own default.
"""
import importlib.abc
import importlib.machinery
import importlib.util
import sys

PROFILES = "azure.cli.core.profiles._shared"
VERSION = "2022-07-01"
OPERATIONS = "azure.mgmt.network.v" + VERSION.replace("-", "_") + ".operations"


def repoint(profiles):
    """Make the default profile's network version one that exists."""
    profiles.AZURE_API_PROFILES["latest"][profiles.ResourceType.MGMT_NETWORK] = VERSION


def borrow(operations):
    """Fill a module with the operations of the package's default version."""
    ours = importlib.import_module("azure.mgmt.network.operations")
    operations.__dict__.update({k: v for k, v in vars(ours).items() if not k.startswith("__")})


class Patched(importlib.abc.Loader):
    """A loader that lets another one load, if there is one, and then changes the module."""

    def __init__(self, inner, change):
        self.inner, self.change = inner, change

    def create_module(self, spec):
        return self.inner.create_module(spec) if self.inner else None

    def exec_module(self, module):
        if self.inner:
            self.inner.exec_module(module)
        self.change(module)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the two modules before anybody else does."""

    def find_spec(self, name, path, target=None):
        if name == PROFILES:
            spec = importlib.machinery.PathFinder.find_spec(name, path)
            if spec:
                spec.loader = Patched(spec.loader, repoint)
            return spec
        if name == OPERATIONS and importlib.machinery.PathFinder.find_spec(name, path) is None:
            return importlib.machinery.ModuleSpec(name, Patched(None, borrow))
        return None


sys.meta_path.insert(0, Finder())
