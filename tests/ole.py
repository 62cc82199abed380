"""A writer of small OLE files (MS-CFB, version 3), for Outlook messages of the tests: streams under 4,096 bytes."""

import struct

SECTOR, SMALL = 512, 64
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD

Tree = dict[str, "bytes | Tree"]


def make_ole(tree: Tree) -> bytes:
    """Return an OLE file with these streams; a folder is a dict."""
    entries: list[list] = [["Root Entry", 5, FREE, FREE, END, 0]]  # name, kind, right, child, start, size
    small, small_fat = bytearray(), []

    def add(folder: Tree, place: int) -> None:
        before = None
        for name, content in folder.items():
            at = len(entries)
            entries.append([name, 1 if isinstance(content, dict) else 2, FREE, FREE, END, 0])
            entries[place if before is None else before][3 if before is None else 2] = at
            before = at
            if isinstance(content, dict):
                add(content, at)
            elif content:
                assert len(content) < 4096
                n = -(-len(content) // SMALL)
                entries[at][4:] = [len(small_fat), len(content)]
                small_fat.extend([*range(len(small_fat) + 1, len(small_fat) + n), END])
                small.extend(content.ljust(n * SMALL, b"\0"))

    add(tree, 0)
    n_small = -(-len(small) // SECTOR)
    entries[0][4:] = [0 if n_small else END, len(small)]
    directory = b"".join(map(_entry, entries))
    directory += b"\0" * (-len(directory) % SECTOR)
    small_table = b"".join(struct.pack("<I", each) for each in small_fat)
    small_table += b"\xff" * (-len(small_table) % SECTOR)
    parts = [bytes(small).ljust(n_small * SECTOR, b"\0"), directory, small_table]
    starts, fat = [], []
    for content in parts:
        n = len(content) // SECTOR
        starts.append(len(fat) if n else END)
        fat += [*range(len(fat) + 1, len(fat) + n), END] if n else []
    n_fat = 1
    while n_fat * 128 < len(fat) + n_fat:
        n_fat += 1
    fat_at = len(fat)
    fat += [FAT] * n_fat
    table = b"".join(struct.pack("<I", each) for each in fat).ljust(n_fat * SECTOR, b"\xff")
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, n_fat, starts[1], 0, 4096, starts[2], len(small_table) // SECTOR, END, 0)
    header += b"".join(struct.pack("<I", at) for at in range(fat_at, fat_at + n_fat)).ljust(436, b"\xff")
    return header + b"".join(parts) + table


def _entry(entry: list) -> bytes:
    name, kind, right, child, start, size = entry
    written = name.encode("utf-16-le") + b"\0\0"
    return (
        written.ljust(64, b"\0")
        + struct.pack("<HBBIII", len(written), kind, 1, FREE, right, child)
        + bytes(36)
        + struct.pack("<IQ", start, size)
    )


def properties(values: dict[int, tuple[int, bytes]], n_head: int = 32) -> bytes:
    """Return the stream of the properties of a message that are no streams: number -> (kind, up to eight bytes)."""
    rows = (struct.pack("<HHI", kind, number, 6) + value.ljust(8, b"\0") for number, (kind, value) in values.items())
    return bytes(n_head) + b"".join(rows)


def text(number: str, value: str, encoding: str = "utf-16-le") -> Tree:
    """Return the stream of a property of text."""
    return {f"__substg1.0_{number}{'001F' if encoding == 'utf-16-le' else '001E'}": value.encode(encoding)}
