"""Kinds of files that are known but not read: what they are called, and what to do with them.

Told by their content wherever it says so; a name is asked only of bytes that say nothing.
"""

import re
from types import MappingProxyType

_OCR = "run OCR first, for example with ocrmypdf, and add the PDF that it makes"
_UNPACK = "unpack it and add the files inside"
_TRANSCRIBE = "transcribe it first and add the text"
_RESAVE = "open it in an office program and save it as {}, then add that"
_EXPORT = "export it as {} and add that"
_TABLES = "export the tables you want as CSV and add those"
_NUMBERS = "export what it holds as CSV or text and add that"

Kind = tuple[str, str | None]
"""What it is, with its article, and what to do; None where nothing can be done."""

# (first bytes, what it is, what to do)
_STARTS: tuple[tuple[bytes, str, str | None], ...] = (
    (b"\xff\xd8\xff", "a JPEG image", _OCR),
    (b"\x89PNG\r\n", "a PNG image", _OCR),
    (b"GIF8", "a GIF image", _OCR),
    (b"II*\x00", "a TIFF image", _OCR),
    (b"MM\x00*", "a TIFF image", _OCR),
    (b"BM", "a bitmap image", _OCR),
    (b"8BPS", "a Photoshop image", _OCR),
    (b"gimp xcf ", "a GIMP image", _OCR),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image", _OCR),
    (b"\xffO\xffQ", "a JPEG 2000 image", _OCR),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image", _OCR),
    (b"\xd7\xcd\xc6\x9a", "a WMF image", _OCR),
    (b"\xc5\xd0\xd3\xc6", "an EPS image", "convert it to PDF and add that"),
    (b"icns", "an icon", None),
    (b"\x00\x00\x01\x00", "an icon", None),
    (b"\x00\x00\x02\x00\x06\x04\x06\x00", "a Lotus 1-2-3 document", _RESAVE.format("XLSX")),
    (b"\x00\x00\x02\x00\x00\x00", "a Targa image", _OCR),
    (b"\x00\x00\x0a\x00\x00\x00", "a Targa image", _OCR),
    (b"\x00\x00\x02\x00", "a cursor icon", None),
    *((b"P%d\n" % kind, "a PNM image", _OCR) for kind in range(4, 8)),
    (b"ID3", "an audio file", _TRANSCRIBE),
    (b"\xff\xfb", "an audio file", _TRANSCRIBE),
    (b"\xff\xf3", "an audio file", _TRANSCRIBE),
    (b"\xff\xf1", "an audio file", _TRANSCRIBE),
    (b"OggS", "an audio file", _TRANSCRIBE),
    (b"fLaC", "an audio file", _TRANSCRIBE),
    (b"#!AMR", "an audio file", _TRANSCRIBE),
    (b"MThd\x00\x00\x00\x06", "an audio file (MIDI)", None),
    (b"0&\xb2u\x8ef\xcf\x11", "a sound or video file", _TRANSCRIBE),
    (b"FLV\x01", "a video file", _TRANSCRIBE),
    (b"\x00\x00\x01\xba", "a video file", _TRANSCRIBE),
    (b"\x00\x00\x01\xb3", "a video file", _TRANSCRIBE),
    (b"\x1aE\xdf\xa3", "a video file", _TRANSCRIBE),
    (b"PK\x05\x06", "an empty zip archive", None),
    (b"\x1f\x8b\x08", "a gzip archive", _UNPACK),
    (b"\x1f\x9d", "a compressed archive (Z)", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ", "an xz archive", _UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (b"Rar!", "a rar archive", _UNPACK),
    (b"(\xb5/\xfd", "a zstd archive", _UNPACK),
    (b'\x04"M\x18', "an lz4 archive", _UNPACK),
    (b"LZIP", "an lzip archive", _UNPACK),
    (b"MSCF\x00\x00\x00\x00", "a cabinet archive (CAB)", _UNPACK),
    (b"xar!", "a xar archive", _UNPACK),
    (b"!<arch>\n", "an ar archive", _UNPACK),
    (b"\xed\xab\xee\xdb", "an RPM archive", _UNPACK),
    (b"x\x01s\rbb`", "a disk image archive (DMG)", _UNPACK),
    (b"KDMV", "a disk image archive (VMDK)", None),
    (b"QFI\xfb", "a disk image archive (QCOW)", None),
    (b"conectix", "a disk image archive (VHD)", None),
    (b"\x7fELF", "a program", None),
    (b"MZ", "a program", None),
    (b"\xcf\xfa\xed\xfe", "a program", None),
    (b"\xce\xfa\xed\xfe", "a program", None),
    (b"\xca\xfe\xba\xbe", "a program", None),
    (b"\x00asm", "a program", None),
    (b"dex\n03", "a program", None),
    (b"\x1bLua", "a program", None),
    (b"BC\xc0\xde", "a program", None),
    (b"SQLite format 3\x00", "an SQLite database", _TABLES),
    (b"\x00\x01\x00\x00Standard Jet DB", "an Access database (MDB)", _TABLES),
    (b"\x00\x01\x00\x00Standard ACE DB", "an Access database (ACCDB)", _TABLES),
    (b"PAR1", "a Parquet table", "export it as CSV and add that"),
    (b"ARROW1\x00\x00", "an Arrow table", "export it as CSV and add that"),
    (b"FEA1", "a Feather table", "export it as CSV and add that"),
    (b"Obj\x01", "an Avro table", "export it as CSV and add that"),
    (b"ORC\n", "an ORC table", "export it as CSV and add that"),
    (b"$FL2@(#)", "an SPSS table", "export it as CSV and add that"),
    (b"<stata_dta>", "a Stata table", "export it as CSV and add that"),
    (b"MATLAB 5.0 MAT-file", "a MATLAB data file", _NUMBERS),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 data file", _NUMBERS),
    (b"CDF\x01", "a NetCDF data file", _NUMBERS),
    (b"CDF\x02", "a NetCDF data file", _NUMBERS),
    (b"\x93NUMPY", "a NumPy data file", _NUMBERS),
    (b"RDX3\n", "an R data file", _NUMBERS),
    (b"RDX2\n", "an R data file", _NUMBERS),
    *((b"\x80%c" % version, "a Python data file (pickle)", _NUMBERS) for version in range(2, 6)),
    (b"GGUF", "a data file of a language model", None),
    (
        b"bplist00",
        "a binary property list data file",
        "convert it, for example with `plutil -convert json`, and add that",
    ),
    (b"{\\rtf", "a rich text (RTF) document", _RESAVE.format("DOCX")),
    (b"%!PS", "a PostScript file", "convert it to PDF, for example with ps2pdf, and add that"),
    (b"\xf7\x02\x01\x83\x92\xc0\x1c;", "a DVI document", "convert it to PDF, for example with dvipdfm, and add that"),
    (b"AT&TFORM", "a DjVu document", "convert it to PDF and add that"),
    (b"\xffWPC", "a WordPerfect document", _RESAVE.format("DOCX")),
    (b"1\xbe\x00\x00", "a Windows Write document", _RESAVE.format("DOCX")),
    (b"\xdb\xa5-\x00", "an old Word document", _RESAVE.format("DOCX")),
    (b"HWP Document File", "a Hangul (HWP) document", _EXPORT.format("DOCX or PDF")),
    (b"\xe4R\\{\x8c\xd8\xa7M\xae\xb1Sx\xd0)\x96\xd3", "a OneNote document", _EXPORT.format("DOCX or PDF")),
    (b"\x06\x06\xed\xf5\xd8\x1dF\xe5\xbd1\xef\xe7\xfet\xb7\x1d", "an InDesign document", _EXPORT.format("PDF")),
    (b"ITSF\x03", "a help document (CHM)", "unpack it, for example with 7z, and add the pages inside"),
    (b"?_\x03\x00", "a help document (HLP)", None),
    (b"ITOLITLS", "an e-book document (LIT)", "convert it to EPUB, for example with Calibre, and add that"),
    (b"L\x00R\x00F\x00", "an e-book document (LRF)", "convert it to EPUB, for example with Calibre, and add that"),
    (b"!BDN", "an Outlook archive (PST)", "export its messages as EML or MBOX and add those"),
    (b"\xcf\xad\x12\xfe", "an Outlook Express archive (DBX)", "export its messages as EML or MBOX and add those"),
    (b"\x1a\x00\x00\x04\x00\x00", "a Notes database (NSF)", "export its documents as EML or PDF and add those"),
    (b"\x00\x00\x1a\x00", "a Lotus 1-2-3 document", _RESAVE.format("XLSX")),
    (b"AutoCAD Binary DXF", "a drawing document (DXF)", _EXPORT.format("PDF")),
    (b"glTF\x02\x00\x00\x00", "a model document (glTF)", None),
    (b"Kaydara FBX Binary", "a model document (FBX)", None),
    (b"BLENDER", "a model document (Blender)", None),
    (b"\x03\xd9\xa2\x9a", "a password database (KeePass)", None),
    (b"LUKS\xba\xbe", "an encrypted disk image archive (LUKS)", None),
    (b"\xd4\xc3\xb2\xa1", "a network capture data file", None),
    (b"PACK\x00\x00\x00", "a Git archive", None),
    (b"\x00\x00\x00\x01Bud1", "a folder view data file (.DS_Store)", None),
    (b"wOFF", "a font", None),
    (b"wOF2", "a font", None),
    (b"OTTO\x00", "a font", None),
    (b"ttcf\x00", "a font", None),
    (b"\x00\x01\x00\x00\x00", "a font", None),
    (b"L\x00\x00\x00\x01\x14\x02\x00", "a shortcut of Windows", None),
)
_NOT_TEXT = frozenset({b"{\\rtf", b"%!PS", b"!<arch>\n", b"<stata_dta>"})
"""Beginnings that are text and still no text to read."""

# (where, bytes, what it is, what to do)
_WITHIN: tuple[tuple[int, bytes, str, str | None], ...] = (
    (257, b"ustar", "a tar archive", _UNPACK),
    (60, b"BOOKMOBI", "a Kindle document (MOBI, AZW)", "convert it to EPUB, for example with Calibre, and add that"),
    (60, b"TEXtREAd", "a Palm document (PDB)", "convert it to EPUB, for example with Calibre, and add that"),
    (32_769, b"CD001", "a disk image archive (ISO)", _UNPACK),
    (128, b"DICM", "a DICOM image", _OCR),
    (40, b" EMF", "an EMF image", _OCR),
    (8, b"DUCK", "a DuckDB database", _TABLES),
)
# (in the list of a zip archive, what it is, what to do)
_ZIPS: tuple[tuple[bytes, str, str | None], ...] = (
    (b"mimetypeapplication/vnd.oasis.opendocument.presentation", "an OpenDocument presentation", _RESAVE.format("PPTX")),
    (b"mimetypeapplication/vnd.oasis.opendocument.graphics", "an OpenDocument drawing", _EXPORT.format("PDF")),
    (b"mimetypeapplication/vnd.oasis.opendocument.base", "an OpenDocument database", _TABLES),
    (b"mimetypeapplication/vnd.oasis.opendocument.", "an OpenDocument file of another kind", _EXPORT.format("PDF or CSV")),
    (b"mimetypeapplication/hwp+zip", "a Hangul (HWPX) document", _EXPORT.format("DOCX or PDF")),
    (b"mimetypeapplication/vnd.adobe.indesign-idml-package", "an InDesign document (IDML)", _EXPORT.format("PDF")),
    (b"visio/document.xml", "a Visio document", _EXPORT.format("PDF")),
    (b"xl/workbook.bin", "a binary workbook document (XLSB)", _RESAVE.format("XLSX")),
    (b"FixedDocumentSequence.fdseq", "an XPS document", _EXPORT.format("PDF")),
    (b"FixedDocSeq.fdseq", "an XPS document", _EXPORT.format("PDF")),
    (b"3D/3dmodel.model", "a model document (3MF)", None),
    (b"classes.dex", "a program (APK)", None),
    (b"META-INF/MANIFEST.MF", "a program archive (JAR)", None),
    (b"/data.pkl", "a data file of a language model", None),
    (b".npy", "a NumPy data file (NPZ)", _NUMBERS),
)  # fmt: skip
# (name of a stream in an OLE compound file, what it is, what to do)
_STREAMS: tuple[tuple[str, str, str | None], ...] = (
    ("VisioDocument", "a Visio document", _EXPORT.format("PDF")),
    ("Quill", "a Publisher document", _EXPORT.format("PDF")),
    ("MatOST", "a Works document (WPS)", _RESAVE.format("DOCX")),
    ("HwpSummaryInformation", "a Hangul (HWP) document", _EXPORT.format("DOCX or PDF")),
    ("   114", "a Project document", _EXPORT.format("PDF or XLSX")),
    ("SwDocMgrTempStorage", "a SolidWorks document", _EXPORT.format("PDF")),
)
_IWORK = {
    "pages": ("a Pages document", _EXPORT.format("DOCX")),
    "numbers": ("a Numbers document", _EXPORT.format("XLSX")),
    "key": ("a Keynote document", _EXPORT.format("PPTX")),
}
_NAMES: MappingProxyType[str, Kind] = MappingProxyType(
    {
        **_IWORK,
        "dwg": ("a drawing document (DWG)", _EXPORT.format("PDF")), "stl": ("a model document (STL)", None),
        "skp": ("a model document (SketchUp)", None), "3ds": ("a model document (3DS)", None),
        "step": ("a model document (STEP)", None), "iges": ("a model document (IGES)", None),
        "dmg": ("a disk image archive (DMG)", _UNPACK), "iso": ("a disk image archive (ISO)", _UNPACK),
        "img": ("a disk image archive", _UNPACK), "wps": ("a Works document (WPS)", _RESAVE.format("DOCX")),
        "wpd": ("a WordPerfect document", _RESAVE.format("DOCX")), "pub": ("a Publisher document", _EXPORT.format("PDF")),
        "vsd": ("a Visio document", _EXPORT.format("PDF")), "mpp": ("a Project document", _EXPORT.format("PDF or XLSX")),
        "one": ("a OneNote document", _EXPORT.format("DOCX or PDF")), "indd": ("an InDesign document", _EXPORT.format("PDF")),
        "ai": ("an Illustrator drawing", _EXPORT.format("PDF")), "cdr": ("a CorelDRAW drawing", _EXPORT.format("PDF")),
        "sketch": ("a Sketch drawing", _EXPORT.format("PDF")), "fig": ("a Figma drawing", _EXPORT.format("PDF")),
        "xd": ("an Adobe XD drawing", _EXPORT.format("PDF")), "cwk": ("an AppleWorks document", _RESAVE.format("DOCX")),
        "wk1": ("a Lotus 1-2-3 document", _RESAVE.format("XLSX")),
        "wb2": ("a Quattro Pro document", _RESAVE.format("XLSX")),
        "dbf": ("a dBase database", _TABLES),
        "mdf": ("an SQL Server database", _TABLES), "fmp12": ("a FileMaker database", _TABLES),
        "sas7bdat": ("a SAS table", "export it as CSV and add that"), "dta": ("a Stata table", "export it as CSV and add that"),
        "rdata": ("an R data file", _NUMBERS), "rds": ("an R data file", _NUMBERS),
        "pkl": ("a Python data file (pickle)", _NUMBERS),
        "pickle": ("a Python data file (pickle)", _NUMBERS), "onnx": ("a data file of a language model", None),
        "safetensors": ("a data file of a language model", None), "pyc": ("a program", None), "o": ("a program", None),
        "tga": ("a Targa image", _OCR), "pcx": ("a PCX image", _OCR), "mp3": ("an audio file", _TRANSCRIBE),
        "aac": ("an audio file", _TRANSCRIBE), "mpg": ("a video file", _TRANSCRIBE), "ts": ("a video file", _TRANSCRIBE),
        "azw3": ("a Kindle document (MOBI, AZW)", "convert it to EPUB, for example with Calibre, and add that"),
        "kfx": ("a Kindle document (KFX)", "convert it to EPUB, for example with Calibre, and add that"),
        "olm": ("an Outlook archive (OLM)", "export its messages as EML or MBOX and add those"),
        "ost": ("an Outlook archive (OST)", "export its messages as EML or MBOX and add those"),
        "msi": ("a program", None), "eot": ("a font", None), "pfb": ("a font", None),
    }
)  # fmt: skip
_DRAWING = re.compile(rb"(?:999\r?\n[^\n]*\n)*\s*0\r?\n\s*SECTION\r?\n\s*2\r?\n")
_MODEL = re.compile(rb"solid[^\n]*\n\s*facet\s+normal\s")
_DWG = re.compile(rb"AC1\d{3}[\x00-\x1f]")


def foreign_start(head: bytes, *, is_text: bool) -> Kind | None:
    """Return the kind of a file by its first bytes, of which a text may begin with some by chance; None for another."""
    for magic, kind, hint in _STARTS:
        if head.startswith(magic) and not (is_text and magic not in _NOT_TEXT and _may_be_text(magic)):
            return kind, hint
    if _DRAWING.match(head):
        return "a drawing document (DXF)", _EXPORT.format("PDF")
    if _MODEL.match(head):
        return "a model document (STL)", None
    if _DWG.match(head):
        return _NAMES["dwg"]
    for start, magic, kind, hint in _WITHIN:
        if head[start : start + len(magic)] == magic and not (is_text and b"\x00" not in head[:start]):
            return kind, hint
    return _of_chunks(head)


def _may_be_text(magic: bytes) -> bool:
    return len(magic) < 4 or (magic.isascii() and magic.decode("ascii").strip().isprintable())


def _of_chunks(head: bytes) -> Kind | None:
    """Return the kind of a file that names it behind the size of its first piece."""
    kind = head[8:12]
    if head[:4] == b"RIFF":
        return ("a WebP image", _OCR) if kind == b"WEBP" else ("a sound or video file", _TRANSCRIBE)
    if head[:4] == b"FORM" and kind in {b"AIFF", b"AIFC"}:
        return "an audio file", _TRANSCRIBE
    if head[4:8] == b"ftyp":
        is_image = kind in {b"heic", b"heix", b"avif", b"mif1"}
        return ("an HEIC or AVIF image", _OCR) if is_image else ("a sound or video file", _TRANSCRIBE)
    return None


def foreign_zip(extension: str, head: bytes) -> Kind:
    """Return the kind of a zip archive that is no document, from its first bytes or its list of parts."""
    for name, what, hint in _ZIPS:
        if name in head:
            return what, hint
    if b".iwa" in head:
        return _IWORK.get(extension, ("an iWork document", _EXPORT.format("DOCX, XLSX or PPTX")))
    return _NAMES.get(extension, ("a zip archive", _UNPACK))


def foreign_ole(extension: str, head: bytes) -> Kind | None:
    """Return the kind of an OLE compound file that is no document, by its streams, else by its name."""
    for stream, what, hint in _STREAMS:
        if stream.encode("utf-16-le") in head:
            return what, hint
    return _NAMES.get(extension)


def foreign_name(extension: str) -> Kind | None:
    """Return the kind of a file by its extension, where its bytes are no text and say nothing else."""
    return _NAMES.get(extension)
