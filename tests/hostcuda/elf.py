"""Reads the symbol tables of a 64-bit little-endian ELF file: enough to find functions and missing symbols."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SHT_SYMTAB = 2
SHT_DYNSYM = 11
SHT_GNU_VERNEED = 0x6FFFFFFE
SHT_GNU_VERSYM = 0x6FFFFFFF
STT_FUNC = 2


class Section(NamedTuple):
    """A section header."""

    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


class Symbol(NamedTuple):
    """An entry of a symbol table."""

    name: str
    is_function: bool
    section: int  # 0: undefined here
    address: int
    size: int


class ElfFile:
    """An ELF file in memory."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path} is not a 64-bit little-endian ELF file")
        (start,) = struct.unpack_from("<Q", self.data, 40)
        (count,) = struct.unpack_from("<H", self.data, 60)
        self.sections = [Section(*struct.unpack_from("<IIQQQQIIQQ", self.data, start + 64 * i)) for i in range(count)]

    def section(self, kind: int) -> Section | None:
        """The first section of a kind."""
        return next((s for s in self.sections if s.type == kind), None)

    def text(self, strings: Section, offset: int) -> str:
        """The zero-terminated text at an offset of a string table."""
        start = strings.offset + offset
        return self.data[start : self.data.index(b"\0", start)].decode()

    def symbols(self, kind: int) -> Iterator[Symbol]:
        """All symbols of the table of that kind (SHT_SYMTAB: every one, SHT_DYNSYM: those that take part in linking)."""
        table = self.section(kind)
        if table is None:
            return
        strings = self.sections[table.link]
        for offset in range(table.offset, table.offset + table.size, 24):
            name, info, _, section, address, size = struct.unpack_from("<IBBHQQ", self.data, offset)
            yield Symbol(self.text(strings, name), info & 15 == STT_FUNC, section, address, size)

    def version_names(self) -> dict[int, str]:
        """The symbol versions the file needs from its libraries: index -> name."""
        names: dict[int, str] = {}
        table = self.section(SHT_GNU_VERNEED)
        if table is None:
            return names
        strings = self.sections[table.link]
        need = table.offset
        while True:
            _, count, _, first, next_need = struct.unpack_from("<HHIII", self.data, need)
            version = need + first
            for _ in range(count):
                _, _, index, name, next_version = struct.unpack_from("<IHHII", self.data, version)
                names[index] = self.text(strings, name)
                version += next_version
            if not next_need:
                return names
            need += next_need

    def undefined(self) -> dict[str, str]:
        """The symbols that other libraries must define: name -> version ("" if it asks for none)."""
        versions, names = self.section(SHT_GNU_VERSYM), self.version_names()
        found = {}
        for i, symbol in enumerate(self.symbols(SHT_DYNSYM)):
            if symbol.section == 0 and symbol.name:
                index = struct.unpack_from("<H", self.data, versions.offset + 2 * i)[0] & 0x7FFF if versions else 0
                found[symbol.name] = names.get(index, "")
        return found
