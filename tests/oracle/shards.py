"""Records of the shards that prepare wrote (docs/shard-format.md), through the zstd tool and a small msgpack decoder."""
import glob
import os
import struct
import subprocess


def unpack(data, at=0):
    """(value, next position)"""
    def length(bytes_, start):
        return int.from_bytes(data[start:start + bytes_], "big"), start + bytes_

    def many(n, at):
        out = []
        for _ in range(n):
            value, at = unpack(data, at)
            out.append(value)
        return out, at

    def pairs(n, at):
        flat, at = many(2 * n, at)
        return dict(zip(flat[::2], flat[1::2])), at

    b, at = data[at], at + 1
    if b < 0x80:
        return b, at
    if b < 0x90:
        return pairs(b & 15, at)
    if b < 0xa0:
        return many(b & 15, at)
    if b < 0xc0 or 0xd9 <= b <= 0xdb:
        n, at = (b & 31, at) if b < 0xc0 else length(1 << (b - 0xd9), at)
        return data[at:at + n].decode(), at + n
    if b in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[b], at
    if 0xc4 <= b <= 0xc6:
        n, at = length(1 << (b - 0xc4), at)
        return data[at:at + n], at + n
    if b in (0xca, 0xcb):
        n = 4 if b == 0xca else 8
        return struct.unpack(">f" if n == 4 else ">d", data[at:at + n])[0], at + n
    if 0xcc <= b <= 0xcf:
        return length(1 << (b - 0xcc), at)
    if 0xd0 <= b <= 0xd3:
        n = 1 << (b - 0xd0)
        return int.from_bytes(data[at:at + n], "big", signed=True), at + n
    if 0xdc <= b <= 0xdf:
        n, at = length(2 if b in (0xdc, 0xde) else 4, at)
        return (many if b < 0xde else pairs)(n, at)
    if b >= 0xe0:
        return b - 256, at
    raise SystemExit(f"msgpack type {b:#x} is not one that shards use")


def records(folder, prefix):
    """All records of FOLDER/PREFIX*.wrs."""
    out = []
    for path in sorted(glob.glob(os.path.join(folder, prefix + "*.wrs"))):
        data = open(path, "rb").read()
        offset, size = struct.unpack("<QQ", data[-32:-16])
        for frame in unpack(data[offset:offset + size])[0]["frames"]:
            raw = subprocess.run(["zstd", "-dcq"], input=data[frame[0]:frame[0] + frame[1]], capture_output=True, check=True).stdout
            at = 0
            while at < len(raw):
                record, at = unpack(raw, at)
                out.append(record)
    return out
