"""Models of one small file in a folder of their own, declared and pulled for a test."""

from pathlib import Path

from resources.model_pull import pull
from resources.model_shelf import ModelShelf


def declare(shelf_folder: Path, name: str, **said: object) -> None:
    """Declare a model whose one file is in a folder beside the shelf's."""
    weights = shelf_folder.parent / "weights" / name
    weights.mkdir(parents=True, exist_ok=True)
    weights.joinpath("a.bin").write_bytes(name.encode())
    values = {"rank": 0, "commercial_use": True, "role": "main", "embedded": False, **said}
    lines = [
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}"
        for key, value in values.items()
    ]
    shelf_folder.joinpath(f"{name}.toml").write_text(
        f'[[model]]\nname = "{name}"\nversion = "1"\nlicence = "MIT"\nserves = ["audio-demixer"]\n'
        f'engine = "tiny"\nmemory_mib = 7\nsource = "folder:{weights}"\n'
        'files = [{ path = "w.bin", from = "a.bin" }]\n' + "\n".join(lines) + "\n"
    )


def get(shelf: ModelShelf, name: str) -> None:
    """Pull a declared model."""
    pull(shelf, shelf.declarations()[name], lambda _step: None)
