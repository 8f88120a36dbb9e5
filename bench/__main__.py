"""Every measurement, one after the other: ``python -m bench``."""

import importlib
import pkgutil
from pathlib import Path


def main() -> None:
    """Run the ``main`` of each module here, in the order of their names."""
    for entry in sorted(pkgutil.iter_modules([str(Path(__file__).parent)]), key=lambda e: e.name):
        module = importlib.import_module(f"bench.{entry.name}")
        if entry.name != "__main__" and hasattr(module, "main"):
            print(f"== {entry.name}")
            module.main()


if __name__ == "__main__":
    main()
