"""Index.xml of an Opera Phenix or Operetta: names of channels and plates, and which files there are."""

from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from bnn_core.base.errors import InputError
from bnn_core.base.limits import MOST_TEXT_BYTES, demand_size
from bnn_core.base.roots import readable

INDEX_FILE = "Index.xml"


@dataclass
class Index:
    """What an index says. channels: "ch1" -> its name; plate: None where it names none or several;
    files: names of all image files."""

    channels: dict[str, str] = field(default_factory=dict)
    plate: str | None = None
    files: set[str] = field(default_factory=set)


def read_index(path: Path) -> Index:
    """Read an index of any version of Harmony. InputError where it is damaged."""
    path = readable(path)
    demand_size(path, MOST_TEXT_BYTES, "leave it out")
    index, plates = Index(), set()
    try:
        for _, element in ElementTree.iterparse(path):
            kind = _local(element.tag)
            if kind in ("Image", "Entry"):
                about = {_local(child.tag): (child.text or "").strip() for child in element}
                number = about.get("ChannelID") or element.get("ChannelID")
                if number and about.get("ChannelName"):
                    index.channels.setdefault(f"ch{number}", about["ChannelName"])
                if about.get("URL"):
                    index.files.add(about["URL"].replace("\\", "/").split("/")[-1])
                element.clear()
            elif kind == "Plate":
                about = {_local(child.tag): (child.text or "").strip() for child in element}
                plates.add(about.get("Name") or about.get("PlateID") or "")
    except (ElementTree.ParseError, OSError, ValueError, LookupError) as error:
        raise InputError(
            f"{path} is damaged ({error}): copy it again, or remove it from the folder"
        ) from error
    if len(plates) == 1:
        index.plate = plates.pop() or None
    names = list(index.channels.values())
    if len(set(names)) < len(names):  # two channels of one name stay apart
        index.channels = {k: f"{name} {k}" for k, name in index.channels.items()}
    return index


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
