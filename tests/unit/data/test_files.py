"""Claims about the IDX format: what parses, what is refused, and with which words."""

import gzip
import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistlab.data import files
from mnistlab.data.files import content_sha256, parse_idx
from mnistlab.errors import MnistlabError


def idx_file(*shape, data=None, magic=b"\0\0\x08"):
    header = magic + struct.pack(f">B{len(shape)}I", len(shape), *shape)
    return header + (bytes(range(int(np.prod(shape)))) if data is None else data)


def test_values_come_back_in_c_order():
    parsed = parse_idx(idx_file(2, 3, 4), "x")
    assert parsed.dtype == np.uint8
    assert np.array_equal(parsed, np.arange(24).reshape(2, 3, 4))


def test_a_gzipped_file_parses_like_the_plain_one():
    plain = idx_file(2, 3)
    assert np.array_equal(parse_idx(gzip.compress(plain, mtime=0), "x.gz"), parse_idx(plain, "x"))


def test_a_parsed_array_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        parse_idx(idx_file(3), "x")[0] = 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"",
            "x: begins with nothing, required IDX bytes: 000008, 01 to 03, sizes; download",
        ),
        (b"<!DOCTYPE html>", "x: begins with 3c21444f, required IDX bytes"),
        (idx_file(2, magic=b"\0\0\x0d"), "x: begins with 00000d01, required IDX bytes"),
        (idx_file(data=b""), "x: begins with 00000800, required IDX bytes"),
        (idx_file(1, 1, 1, 1), "x: begins with 00000804, required IDX bytes"),
        (
            idx_file(2, 3)[:9],
            "x: begins with 00000802, required IDX bytes: 000008, 01 to 03, sizes",
        ),
        (idx_file(2, 3)[:-1], "x: 5 bytes of data, required 2 x 3"),
        (idx_file(2, 3) + b"\0", "x: 7 bytes of data, required 2 x 3"),
        (idx_file(0, 28, 28), "x: 0 bytes of data, required 0 x 28 x 28"),
        (idx_file(0, 2**32 - 1, 2**32 - 1, data=b""), "required 0 x 4294967295 x 4294967295"),
        (
            idx_file(2**32 - 1, 2**32 - 1, 2**32 - 1, data=b"abc"),
            "3 bytes of data, required 4294967295 x",
        ),
        (gzip.compress(idx_file(2, 3), mtime=0)[:-9], "x: damaged gzip"),
        (gzip.compress(idx_file(2, 3), mtime=0) + b"tail", "x: damaged gzip"),
        (gzip.compress(idx_file(2, 3), mtime=0)[:10] + b"\xff" * 20, "x: damaged gzip"),
    ],
)
def test_a_file_that_is_not_exactly_idx_is_refused(content, message):
    with pytest.raises(MnistlabError, match=message):
        parse_idx(content, "x")


def test_a_plain_file_named_gz_is_refused():
    with pytest.raises(
        MnistlabError, match=r"x\.gz: damaged gzip \(Not a gzipped file .*; download"
    ):
        parse_idx(idx_file(2, 3), "x.gz")


def test_a_gzip_bomb_stops_at_the_limit(monkeypatch):
    monkeypatch.setattr(files, "SIZE_LIMIT", 1000)
    with pytest.raises(MnistlabError, match="x: more than 1000 bytes"):
        parse_idx(gzip.compress(bytes(10**6), mtime=0), "x")


def test_a_plain_file_beyond_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(files, "SIZE_LIMIT", 10)
    with pytest.raises(MnistlabError, match="x: more than 10 bytes"):
        parse_idx(idx_file(3, data=b"abc"), "x")


# Noise alone never gets past the magic number, so most examples begin well and go wrong later.
noise = st.binary(max_size=64)
nearly_idx = st.builds(
    bytes.__add__, st.sampled_from([b"\0\0\x08\x01", b"\0\0\x08\x03", b"\0\0\x08"]), noise
)
nearly_gzip = st.builds(
    lambda content, length: gzip.compress(content, mtime=0)[:length], nearly_idx, st.integers(2, 99)
)
damaged_gzip = st.builds(lambda begin, rest: begin[:12] + rest, nearly_gzip, noise)


@given(noise | nearly_idx | nearly_gzip | damaged_gzip, st.sampled_from(["x", "x.gz"]))
def test_any_bytes_parse_or_are_refused_with_one_line(content, name):
    message = ""
    try:
        assert parse_idx(content, name).size > 0
    except MnistlabError as error:
        message = str(error)
    assert message == "" or (message.startswith(f"{name}: ") and len(message.splitlines()) == 1)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_the_hash_is_that_of_the_uncompressed_file(shape):
    content = idx_file(*shape)
    assert content_sha256(parse_idx(content, "x")) == hashlib.sha256(content).hexdigest()


def test_the_hash_is_that_of_the_values_however_they_lie_in_memory():
    array = parse_idx(idx_file(2, 3), "x")
    assert content_sha256(np.asfortranarray(array)) == content_sha256(array)


def test_the_hash_tells_shapes_with_the_same_bytes_apart():
    array = parse_idx(idx_file(2, 3), "x")
    assert content_sha256(array.reshape(3, 2)) != content_sha256(array)
