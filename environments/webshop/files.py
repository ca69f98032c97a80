"""Finds WebShop's files, and says what is missing and how to get it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from environments.errors import DataNotFoundError

DATA_VARIABLE = "WEBSHOP_DATA"
NOUNS_PATTERN = "title_nouns*.json"


@dataclass(frozen=True)
class PublishedFile:
    """A file of the benchmark that its authors publish on Google Drive."""

    name: str
    purpose: str
    drive_id: str
    size: int
    """Size in bytes."""
    sha256: str

    @property
    def command(self) -> str:
        return f"gdown https://drive.google.com/uc?id={self.drive_id} -O {self.name}"


_HUMAN = PublishedFile(
    name="items_human_ins.json",
    purpose="instructions that people wrote (optional)",
    drive_id="14Kb5SPBk_jfdLZ_CDBNitW98QLDlKR5O",
    size=5_137_548,
    sha256="cf78667548a71786e1d9049c24b802e48e1084ad4bb021cae56ce1f6d96954a3",
)
PUBLISHED: dict[str, tuple[PublishedFile, ...]] = {
    "small": (
        PublishedFile(
            name="items_shuffle_1000.json",
            purpose="1,000 products",
            drive_id="1EgHdxQ_YxqIQlvvq5iKlCrkEKR6-j0Ib",
            size=4_467_013,
            sha256="30a4765c3a327af72d9a9a95a6b2486d516f0fa1d3ecd83681901ce82a21b269",
        ),
        PublishedFile(
            name="items_ins_v2_1000.json",
            purpose="their attributes and synthetic instructions",
            drive_id="1IduG0xl544V_A_jv3tHXC0kyFi7PnyBu",
            size=147_099,
            sha256="f88a36314a397b53b3d9c3fa5878e5f7b26d35019a51ec83fbedeca61a948f6f",
        ),
        _HUMAN,
    ),
    "full": (
        PublishedFile(
            name="items_shuffle.json",
            purpose="1.18 million products",
            drive_id="1A2whVgOO0euk5O13n2iYDM0bQRkkRduB",
            size=5_479_720_229,
            sha256="2ef591d65df3af89e972ab72468eb82cbf124d876552d9f3678667edd620a6c8",
        ),
        PublishedFile(
            name="items_ins_v2.json",
            purpose="their attributes and synthetic instructions",
            drive_id="1s2j6NgHljiZzQNL3veZaAiyW_qDEgBNi",
            size=186_295_270,
            sha256="1d36af476bdb8f82a5da62bd8acdabe54cd8de2fa84010d37da5c4890feb447e",
        ),
        _HUMAN,
    ),
}
"""Files to download for each setting."""

_PRODUCTS = {
    "small": ("items_shuffle_1000.slim.json", "items_shuffle_1000.json"),
    "full": ("items_shuffle.slim.json", "items_shuffle.json"),
}
_ANNOTATIONS = {"small": "items_ins_v2_1000.json", "full": "items_ins_v2.json"}


@dataclass(frozen=True)
class WebShopFiles:
    """The files of one catalogue; those that are missing are None."""

    folder: Path
    setting: Literal["small", "full"]
    products: Path | None
    annotations: Path | None
    """File of attributes and synthetic instructions."""
    human: Path | None
    """File of instructions written by people; optional."""
    nouns: Path | None
    """File of the nouns of the titles, which the reward needs."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Each missing file with the command that gets it."""
        download = {each.name: each.command for each in PUBLISHED[self.setting]}
        wanted = [
            (self.products, _PRODUCTS[self.setting][-1]),
            (self.annotations, _ANNOTATIONS[self.setting]),
        ]
        lost = [f"{name}: {download[name]}" for path, name in wanted if path is None]
        if self.nouns is None:
            products = self.products or self.folder / _PRODUCTS[self.setting][-1]
            lost.append(f"title_nouns.json: {nouns_command(products)}")
        return tuple(lost)

    def require(self) -> tuple[Path, Path, Path]:
        """Products, annotations and nouns; `DataNotFoundError` names what is missing and how to get it."""
        if self.products is None or self.annotations is None or self.nouns is None:
            raise DataNotFoundError(
                f"{self.folder} lacks files of WebShop's {self.setting} setting. Get them there with\n  "
                + "\n  ".join(self.missing)
            )
        return self.products, self.annotations, self.nouns


def nouns_command(products: Path) -> str:
    """The commands that compute the nouns of a product file's titles, to be run in this repository's root."""
    return (
        "pip install spacy rich && python -m spacy download en_core_web_sm && "
        f"python -m environments.webshop.nouns {products}"
    )


def find_files(data: Path) -> WebShopFiles:
    """The files in a folder, or beside a product file; the small setting's if a folder holds both."""
    if not data.exists():
        raise DataNotFoundError(
            f"{data} does not exist; it should be a folder with WebShop's files, or its product file "
            "(environment.data or WEBSHOP_DATA)"
        )
    folder = data if data.is_dir() else data.parent
    setting = _setting(data, folder)
    return WebShopFiles(
        folder=folder,
        setting=setting,
        products=data if data.is_file() else _first(folder, _PRODUCTS[setting]),
        annotations=_first(folder, (_ANNOTATIONS[setting],)),
        human=_first(folder, (_HUMAN.name,)),
        nouns=next((path for place in (folder, folder / "golden") for path in _nouns(place)), None),
    )


def _setting(data: Path, folder: Path) -> Literal["small", "full"]:
    if data.is_file():
        return "small" if "1000" in data.name else "full"
    has_small = _first(folder, _PRODUCTS["small"]) is not None
    return "full" if not has_small and _first(folder, _PRODUCTS["full"]) is not None else "small"


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _nouns(folder: Path) -> list[Path]:
    return sorted(folder.glob(NOUNS_PATTERN))
