"""The zip archive that a .keras file is: three members, whole, and no larger than they say."""

import errno
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from reportgen.errors import InputError, SurroundingsError
from reportgen.format import short
from reportgen.model import foreign

CONFIG, ABOUT, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_SMALL = 64 * 2**20
_RATIO = 100
_UNSUSPICIOUS = 2**20
_BLOCK = 2**20
_EXPECTED = "expected a .keras file that Keras saved whole"


def unpacked(path: Path, weights: Path, *, largest: int) -> bytes:
    """Write the weights in the archive at `path` to `weights`, and return the configuration.

    largest: how many bytes the weights may be. Every byte of every member is read, so that its checksum is checked.
    Raises InputError for an archive that Keras did not write, SurroundingsError where the disk is full.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive.infolist(), path.stat().st_size, largest)
            found = {name: b"".join(_blocks(archive, name)) for name in archive.namelist() if name != WEIGHTS}
            with weights.open("xb") as stream:
                stream.writelines(_blocks(archive, WEIGHTS))
            return found[CONFIG]
    except zipfile.BadZipFile as error:
        damaged = "damaged" if "CRC" in str(error) else "cut off or damaged"
        raise InputError(f"is {damaged} ({short(str(error), 120)})", _EXPECTED) from error
    except (zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            what = f"has no room to be unpacked in {weights.parent}"
            raise SurroundingsError(what, "make room there, or set TMPDIR") from error
        raise InputError(f"is cut off or damaged ({short(str(error), 120)})", _EXPECTED) from error


def about(path: Path) -> bytes:
    """Return what the archive at `path`, which was unpacked before, says of itself, b"" where it says nothing."""
    with zipfile.ZipFile(path) as archive:
        return archive.read(ABOUT) if ABOUT in archive.namelist() else b""


def write(path: Path, config: bytes, weights: Path) -> None:
    """Write an archive to `path` of a configuration and the weights that were unpacked to `weights`."""
    with zipfile.ZipFile(path, "x") as archive:
        archive.writestr(CONFIG, config)
        archive.writestr(ABOUT, b"{}")
        archive.write(weights, WEIGHTS)


def _blocks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    with archive.open(name) as member:
        while block := member.read(_BLOCK):
            yield block


def _check_members(members: list[zipfile.ZipInfo], size: int, largest: int) -> None:
    """Raise InputError unless the members are those that Keras writes, with sizes that can be true."""
    names = [member.filename for member in members]
    if CONFIG not in names and (other := foreign.in_archive(names)):
        raise InputError(f"is {other[0]}", other[1])
    for member in members:
        name = short(member.filename, 60)
        if member.filename not in (CONFIG, ABOUT, WEIGHTS):
            raise InputError(f'holds "{name}", which does not belong there', f"{_EXPECTED}, unchanged")
        if names.count(member.filename) > 1:
            raise InputError(f"holds {name} twice", f"{_EXPECTED}, unchanged")
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
            raise InputError(f"holds {name} as a link", f"{_EXPECTED}, unchanged")
        if member.flag_bits & 1:
            raise InputError(f"is encrypted ({name})", _EXPECTED)
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"holds {name} in an unusual compression", _EXPECTED)
        _check_size(member, size, largest if member.filename == WEIGHTS else _SMALL)
    if missing := sorted({CONFIG, WEIGHTS} - set(names)):
        raise InputError(f"lacks {', '.join(missing)}", _EXPECTED)


def _check_size(member: zipfile.ZipInfo, size: int, largest: int) -> None:
    declares = f"has {short(member.filename, 60)} declare {member.file_size:,} bytes"
    if member.file_size > largest:
        raise InputError(f"{declares}, more than {largest:,}", "raise --max-model-gb if the model is to be trusted")
    if member.compress_size > size or (
        member.file_size > _UNSUSPICIOUS and member.file_size > _RATIO * member.compress_size
    ):
        raise InputError(f"{declares}, but it stores {member.compress_size:,}", _EXPECTED)
