"""Files as people attach them, each with a patient's name wherever its format has room for one."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
import pydicom
import tifffile
from PIL import Image, ImageCms, PngImagePlugin
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, VLPhotographicImageStorage, generate_uid

NAME = "Tolvan Tolvansson 191212121212"
"""Of nobody: the number is one of the tax agency's for tests."""
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""What every virus scanner takes for a virus. Source: EICAR, The Anti-Malware Testfile."""
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def picture(width: int = 96, height: int = 64, *, seed: int = 1) -> npt.NDArray[np.uint8]:
    """uint8, shape (height, width, 3)."""
    random = np.random.default_rng(seed)
    return random.integers(0, 255, (height, width, 3), dtype=np.uint8)


def named_exif(orientation: int = 6) -> Image.Exif:
    """Exif with a name, a place and which way up."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x013B] = orientation, NAME, NAME
    exif.get_ifd(0x8825).update({1: "N", 2: (56.0, 39.0, 0.0), 3: "E", 4: (16.0, 21.0, 0.0)})
    return exif


def write_jpeg(*, progressive: bool = False, orientation: int = 6, mode: str = "RGB") -> bytes:
    """With Exif, XMP, IPTC, comments, a thumbnail and an unknown segment; a colour profile and restart markers."""
    file = io.BytesIO()
    Image.fromarray(picture()).convert(mode).save(
        file,
        "JPEG",
        quality=90,
        progressive=progressive,
        exif=named_exif(orientation),
        icc_profile=PROFILE,
        comment=NAME.encode(),
        xmp=f"<x:xmpmeta>{NAME}</x:xmpmeta>".encode(),
        restart_marker_blocks=4,
    )
    data = file.getvalue()
    segments = [
        (0xE0, b"JFXX\0\x10" + NAME.encode()),
        (0xED, b"Photoshop 3.0\0" + NAME.encode()),
        (0xE2, b"MPF\0" + NAME.encode()),
        (0xEB, NAME.encode()),
    ]
    extra = b"".join(struct.pack(">BBH", 0xFF, marker, len(text) + 2) + text for marker, text in segments)
    return data[:2] + extra + data[2:]


def write_png() -> bytes:
    """With texts of all three kinds, a time, Exif and a private chunk."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", NAME)
    texts.add_text("Comment", NAME, zip=True)
    texts.add_itxt("XML:com.adobe.xmp", NAME)
    texts.add(b"tIME", bytes(7))
    texts.add(b"prVt", NAME.encode())
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, "PNG", pnginfo=texts, exif=named_exif(), icc_profile=PROFILE, dpi=(300, 300))
    return file.getvalue()


def write_tiff(*, big: bool = False, order: str = "<", tiled: bool = False, pages: int = 2) -> bytes:
    """With descriptions, software, artist, Exif-like and private tags on every page, and sub-images."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=big, byteorder=order) as writer:  # type: ignore[arg-type]
        for page in range(pages):
            writer.write(
                picture(seed=page),
                photometric="rgb",
                tile=(16, 16) if tiled else None,
                rowsperstrip=None if tiled else 16,
                compression="zlib",
                description=NAME,
                software=NAME,
                resolution=(300, 300),
                iccprofile=PROFILE,
                metadata=None,
                extratags=[
                    (315, "s", 0, NAME, True),
                    (700, "B", len(NAME), NAME.encode(), True),
                    (65000, "s", 0, NAME, True),
                    (33723, "B", len(NAME), NAME.encode(), True),
                ],
            )
    # Something that nothing points to, as programs leave behind when they change a file.
    return file.getvalue() + NAME.encode()


def write_pdf() -> bytes:
    """A page with a sentence on it."""
    text = b"BT /F1 12 Tf 20 100 Td (Remiss: fraga om dysplasi) Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    file, places = io.BytesIO(), []
    file.write(b"%PDF-1.7\n")
    for number, content in enumerate(objects, 1):
        places.append(file.tell())
        file.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = file.tell()
    file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    file.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    file.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return file.getvalue()


def write_dicom(*, compressed: bool = False) -> bytes:
    """A photograph with names on every level, private elements, an overlay and something in its preamble."""
    frame = io.BytesIO()
    Image.fromarray(picture()).save(frame, "JPEG")
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = JPEGBaseline8Bit if compressed else ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = VLPhotographicImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.SourceApplicationEntityTitle = "TOLVANSSON"
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.preamble = (NAME.encode() * 5)[:128]
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.PatientName, dataset.PatientID = "XC", "Tolvansson^Tolvan", "191212121212"
    dataset.PatientBirthDate, dataset.PatientAddress = "19121212", NAME
    dataset.AccessionNumber, dataset.StudyDescription = "191212121212", NAME
    dataset.ReferringPhysicianName, dataset.PatientComments = "Tolvansson^Tolvan", NAME
    inner = Dataset()
    inner.PatientID, inner.PersonName, inner.TextValue = "191212121212", "Tolvansson^Tolvan", NAME
    inner.CodeMeaning = "Kolon"
    dataset.AnatomicRegionSequence = Sequence([inner])
    dataset.add_new((0x0011, 0x0010), "LO", "TOLVANS LAB")
    dataset.add_new((0x0011, 0x1001), "LT", NAME)
    dataset.add_new((0x6000, 0x3000), "OW", NAME.encode() + b"\0" * (len(NAME) % 2))
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 64, 96, 3
    dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = encapsulate([frame.getvalue()]) if compressed else picture().tobytes()
    dataset["PixelData"].VR = "OB"
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """A small file that claims to be a large picture, as a bomb does."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", len(body), name) + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def huge_jpeg() -> bytes:
    """The same as JPEG: the frame's size is changed to the largest there is."""
    data = bytearray(write_jpeg(mode="L"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    return bytes(data)
