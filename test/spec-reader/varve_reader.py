#!/usr/bin/python3
"""A reader of varve repositories, written from SPEC.md alone; it shares no code with the program.

    varve_reader.py REPOSITORY snapshots            names of the snapshots, oldest first
    varve_reader.py REPOSITORY check                every object, every byte
    varve_reader.py REPOSITORY restore NAME TARGET  a snapshot (NAME: its beginning, or latest) into a new folder
    varve_reader.py REPOSITORY trace                the values on the way from the password to a file's bytes, as JSON

The password is the first line of standard input (or --key-file FILE). Exit codes: 0 all is well; 1 refused.
Needs Debian's python3-cryptography, python3-msgpack, python3-zstandard. Sections are named after SPEC.md's.
"""

import argparse
import collections
import hashlib
import hmac
import json
import os
import re
import stat
import struct
import sys
import time
import unicodedata

import msgpack
import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MIB = 1024 * 1024
LIMIT_SEALED = 128 * MIB
LIMIT_KEY_SLOT = 64 * 1024
LIMIT_BLOB = 64 * MIB
LIMIT_FRAME = 68 * MIB
LIMIT_PACK = 1024 * MIB
LIMIT_DIRECTORY = 128 * MIB
LIMIT_NAME = 65535
LIMIT_DEPTH = 4096
LIMIT_NESTING = 16
LIMIT_INLINE = 1024
LIMIT_ATTACHMENT = 16 * MIB
LIMIT_RUNS = 1_000_000
LIMIT_ENTRY = 16 * MIB
LIMIT_VALUES = 2_000_000


class Refused(Exception):
    """Something is not as SPEC.md says."""


def need(condition, message):
    if not condition:
        raise Refused(message)


# ---------------------------------------------------------------------------------------------------------------------
# 1. Conventions


def u32(value):
    return struct.pack("<I", value)


def sha256(data):
    return hashlib.sha256(data).digest()


def hmac_sha256(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def hkdf(ikm, salt, info, length=32):
    return HKDF(hashes.SHA256(), length, salt, info.encode()).derive(ikm)


def gcm_open(key, nonce, aad, sealed, what):
    need(len(sealed) >= 16, f"{what}: too short")
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        raise Refused(f"{what}: the tag is wrong") from None


def x25519(private, public):
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:  # all zeros
        raise Refused("X25519: a point of low order") from None


def x25519_public(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def ed25519_public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def ed25519_verify(public, signature, message, what):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refused(f"{what}: the signature is wrong") from None


def unique_keys(pairs):
    result = dict(pairs)
    need(len(result) == len(pairs), "MessagePack: a key comes twice")
    return result


def refuse_extension(_code, _data):
    raise Refused("MessagePack: an extension type")


def unpacker(longest):
    return msgpack.Unpacker(
        raw=False,
        strict_map_key=True,
        object_pairs_hook=unique_keys,
        ext_hook=refuse_extension,
        max_buffer_size=longest + LIMIT_BLOB,
        max_array_len=LIMIT_VALUES,
        max_map_len=LIMIT_VALUES,
    )


def check_value(value, nesting=0):
    """How many values it is."""
    need(nesting <= LIMIT_NESTING, "MessagePack: nested too deeply")
    count = 1
    if type(value) is list:
        for item in value:
            count += check_value(item, nesting + 1)
    elif type(value) is dict:
        for key, item in value.items():
            need(type(key) is str, "MessagePack: a map key that is no string")
            count += 1 + check_value(item, nesting + 1)
    else:
        need(value is None or type(value) in (bool, int, float, str, bytes), "MessagePack: a type that is not allowed")
    return count


def unpack_all(parts, what, longest):
    """All MessagePack values in the joined parts, one after another, each of so many bytes at most."""
    try:
        unpack, values, end, length = unpacker(longest), [], 0, 0
        for part in parts:
            unpack.feed(part)
            length += len(part)
            for value in unpack:
                need(unpack.tell() - end <= longest, f"{what}: too long")
                values.append(value)
                end = unpack.tell()
            need(length - end <= longest, f"{what}: too long")
        need(end == length, f"{what}: cut off")
    except (ValueError, msgpack.UnpackException) as error:  # also invalid UTF-8
        raise Refused(f"{what}: not MessagePack ({error})") from None
    for value in values:
        need(check_value(value) <= LIMIT_VALUES, f"{what}: too many values")
    return values


def unpack_one(data, what):
    values = unpack_all([data], what, len(data))
    need(len(values) == 1, f"{what}: not one MessagePack value")
    return values[0]


def fields(value, what, *kinds):
    """value must be an array of these kinds: a type, or an int for a bin of that length."""
    need(type(value) is list and len(value) == len(kinds), f"{what}: not an array of {len(kinds)} fields")
    for number, (item, kind) in enumerate(zip(value, kinds)):
        if type(kind) is int:
            need(type(item) is bytes and len(item) == kind, f"{what}: field {number} is not bin {kind}")
        else:
            need(kind is object or type(item) is kind, f"{what}: field {number} is not {kind.__name__}")
    return value


def unsigned(value, what, least=0, most=2**64 - 1):
    need(type(value) is int and least <= value <= most, f"{what}: out of range")
    return value


def check_time(value, what, limit=2**53):
    seconds, nanoseconds = fields(value, what, int, int)
    need(-limit <= seconds < limit, f"{what}: out of range")
    unsigned(nanoseconds, what, 0, 999_999_999)
    return value


def zstd_open(data, length, what):
    try:
        parameters = zstandard.get_frame_parameters(data)
        need(parameters.content_size == length, f"{what}: the zstd frame states another size")
        need(parameters.dict_id == 0, f"{what}: the zstd frame wants a dictionary")
        decoder = zstandard.ZstdDecompressor().decompressobj()
        plain = decoder.decompress(data)
    except zstandard.ZstdError as error:
        raise Refused(f"{what}: zstd: {error}") from None
    need(len(plain) == length and not decoder.unused_data, f"{what}: not one whole zstd frame")
    return plain


# ---------------------------------------------------------------------------------------------------------------------
# 2. Objects


class Store:
    def __init__(self, folder):
        self.folder = folder

    def names(self, namespace):
        """Names of the objects; whatever else lies there is none."""
        place = os.path.join(self.folder, namespace)
        found = []
        for parent, _folders, files in os.walk(place) if os.path.isdir(place) else ():
            for name in files:
                if re.fullmatch("[0-9a-f]{64}", name) and os.path.join(parent, name) == self.path(namespace, name):
                    found.append(name)
        return sorted(found)

    def path(self, namespace, name):
        middle = [name[:2]] if namespace == "data" else []
        return os.path.join(self.folder, namespace, *middle, name)

    def read(self, namespace, name, limit):
        """A whole object, its name checked."""
        path = self.path(namespace, name)
        need(os.path.getsize(path) <= limit, f"{namespace}/{name}: too large")
        with open(path, "rb") as file:
            data = file.read()
        need(sha256(data).hex() == name, f"{namespace}/{name}: the name is not the SHA-256")
        return data

    def config(self):
        with open(os.path.join(self.folder, "config"), "rb") as file:
            return file.read(LIMIT_SEALED)

    def range(self, name, offset, length):
        with open(self.path("data", name), "rb") as file:
            file.seek(offset)
            data = file.read(length)
        need(len(data) == length, f"data/{name}: cut off")
        return data


# ---------------------------------------------------------------------------------------------------------------------
# 3. Keys

APPEND, MANAGE, FULL = 1, 2, 3


class Epoch:
    """The keys of one epoch, as far as the role has them."""

    def __init__(self, role, material):
        self.meta = self.content = None
        if role == FULL:
            need(len(material) == 32, "secrets: the material of a full slot has not 32 bytes")
            self.auth = hkdf(material, b"", "varve/1/auth")
            self.index = hkdf(material, b"", "varve/1/index")
            self.meta = hkdf(material, b"", "varve/1/meta")
            self.content = hkdf(material, b"", "varve/1/content")
            self.content_public = x25519_public(self.content)
            self.root_public = ed25519_public(hkdf(material, b"", "varve/1/root"))
        else:
            need(len(material) == 160, "secrets: the material has not 160 bytes")
            self.auth, self.index, meta, self.content_public, self.root_public = (
                material[start : start + 32] for start in range(0, 160, 32)
            )
            if role == MANAGE:
                self.meta = meta
        self.meta_public = x25519_public(self.meta) if self.meta else meta


class Keys:
    """What a key slot's secrets say."""

    def __init__(self):
        self.foreign = set()  # names of snapshots whose signers may not back up their hosts

    def epoch(self, number):
        need(number in self.epochs, f"epoch {number}, of which there is no key")
        return self.epochs[number]

    def is_revoked(self, slot, seconds):
        return any(slot == revoked and seconds >= since for revoked, since in self.revoked)


# ---------------------------------------------------------------------------------------------------------------------
# 4. Key slots


def slot_key(protection, password, key_file):
    """W, or None where the slot is not protected by what was given."""
    need(type(protection) is list and len(protection) > 0, "key slot: protection")
    if protection[0] == "scrypt":
        _, log2n, r, p, salt = fields(protection, "key slot: protection", str, int, int, int, 32)
        need(10 <= log2n <= 20 and r == 8 and 1 <= p <= 4, "key slot: scrypt's parameters are out of bounds")
        if password is None:
            return None
        text = unicodedata.normalize("NFC", password).encode()
        return hashlib.scrypt(text, salt=salt, n=1 << log2n, r=r, p=p, maxmem=2**31 - 1, dklen=32)
    _, salt = fields(protection, "key slot: protection", str, 32)
    need(protection[0] == "keyfile", "key slot: unknown protection")
    return hkdf(key_file, salt, "varve/1/keyfile") if key_file is not None else None


def parse_slot(data):
    need(data[:8] == b"VRVE\1\7\0\0", "key slot: header")
    slot = fields(unpack_one(data[8:], "key slot"), "key slot", 16, list, 116, bytes, bytes)
    need(len(slot[4]) >= 60, "key slot: card")
    return slot


def open_slot(data, password, key_file, trace):
    """Keys of the slot, or None where it is not ours."""
    slot, protection, wrapped, secrets, card = parse_slot(data)
    w = slot_key(protection, password, key_file)
    if not w:
        return None
    try:
        private = gcm_open(w, bytes(12), b"varve/1/slot" + slot, wrapped, "key slot")
    except Refused:
        return None
    box_private, sign_seed, anchor_root = private[:32], private[32:64], private[68:]
    (anchor_epoch,) = struct.unpack("<I", private[64:68])
    box_public, sign_public = x25519_public(box_private), ed25519_public(sign_seed)
    need(sha256(sign_public + box_public)[:16] == slot, "key slot: its id does not follow from its keys")

    # Sealed secrets
    need(len(secrets) >= 48, "secrets: too short")
    ephemeral = secrets[:32]
    k = hkdf(x25519(box_private, ephemeral), ephemeral + box_public, "varve/1/slot-secrets")
    s = gcm_open(k, bytes(12), slot, secrets[32:], "secrets")
    need(len(s) >= 4 and struct.unpack("<I", s[:4])[0] <= len(s) - 4, "secrets: length")
    length = struct.unpack("<I", s[:4])[0]
    need(not any(s[4 + length :]), "secrets: padding")
    payload, signature = fields(unpack_one(s[4 : 4 + length], "secrets"), "secrets", bytes, 64)

    keys = Keys()
    keys.slot = slot
    keys.role, keys.repository, keys.id, keys.gear, epochs, chain, revoked, keys.configs = fields(
        unpack_one(payload, "secrets"), "secrets", int, 32, 32, 32, list, list, list, list
    )
    need(keys.role in (APPEND, MANAGE, FULL), "secrets: unknown role")
    keys.epochs = {}
    for number, item in enumerate(epochs, 1):
        epoch, material = fields(item, "secrets: epoch", int, bytes)
        need(epoch == number, "secrets: epochs are not ascending without gaps from 1")
        keys.epochs[epoch] = Epoch(keys.role, material)
    need(keys.epochs, "secrets: no epoch")
    keys.newest = len(keys.epochs)
    keys.revoked = [fields(item, "secrets: revoked", 16, int) for item in revoked]

    # The chain, and from the anchor the signature
    need(len(chain) == keys.newest - 1, "chain: not a link for every epoch from 2 on")
    for number, item in enumerate(chain, 2):
        epoch, public, link = fields(item, "chain", int, 32, 64)
        need(epoch == number and public == keys.epochs[number].root_public, "chain: not the material's root key")
        message = b"varve/1/root-chain\0" + keys.repository + u32(epoch) + public
        ed25519_verify(keys.epochs[epoch - 1].root_public, link, message, "chain")
    need(1 <= anchor_epoch <= keys.newest, "anchor: its epoch is beyond the newest")
    need(keys.epochs[anchor_epoch].root_public == anchor_root, "anchor: another root key")
    message = b"varve/1/slot-secrets\0" + slot + payload
    ed25519_verify(keys.epochs[keys.newest].root_public, signature, message, "secrets")

    if keys.role == FULL:
        first = epochs[0][1]
        for value, info in ((keys.repository, "repository"), (keys.id, "id"), (keys.gear, "gear")):
            need(hkdf(first, b"", "varve/1/" + info) == value, f"secrets: {info} is not the derived one")

    # Card and certificate
    epoch, plain = open_sealed(card, CARD, keys)
    need(epoch == keys.newest, "card: its epoch is not the newest")
    certificate, user, host, _created = fields(unpack_one(plain, "card"), "card", list, str, str, int)
    need(len(user) <= 256 and len(host) <= 256, "card: user or host is too long")
    certificate = Certificate(certificate, keys)
    need(certificate.slot == slot and certificate.role == keys.role, "card: a certificate of another slot or role")
    need(certificate.sign_public == sign_public and certificate.box_public == box_public, "card: other keys")

    trace["slot"] = {
        "slot": slot, "W": w, "boxPrivate": box_private, "signSeed": sign_seed, "anchorEpoch": anchor_epoch,
        "anchorRootPublic": anchor_root, "secretsKey": k, "secretsPayload": payload, "cardPlaintext": plain,
    }  # fmt: skip
    return keys


def check_cards(store, keys):
    """The cards of all slots, other people's too."""
    for name in store.names("keys"):
        slot, _protection, _wrapped, _secrets, card = parse_slot(store.read("keys", name, LIMIT_KEY_SLOT))
        _epoch, plain = open_sealed(card, CARD, keys)
        certificate, _user, _host, _created = fields(unpack_one(plain, "card"), "card", list, str, str, int)
        need(Certificate(certificate, keys).slot == slot, "card: a certificate of another slot")


class Certificate:
    def __init__(self, value, keys):
        payload, signature = fields(value, "certificate", bytes, 64)
        self.slot, self.role, self.sign_public, self.box_public, self.epoch, label, self.hosts = fields(
            unpack_one(payload, "certificate"), "certificate", 16, int, 32, 32, int, str, object
        )
        if self.hosts is not None:
            need(type(self.hosts) is list and 1 <= len(self.hosts) <= 64, "certificate: hosts")
            need(all(type(host) is str and len(host) <= 256 for host in self.hosts), "certificate: a host")
        need(self.role in (APPEND, MANAGE, FULL) and len(label) <= 1024, "certificate: role or label")
        need(sha256(self.sign_public + self.box_public)[:16] == self.slot, "certificate: slot")
        message = b"varve/1/certificate\0" + keys.repository + payload
        ed25519_verify(keys.epoch(self.epoch).root_public, signature, message, "certificate")


def open_keys(store, password, key_file, seen_epoch, trace):
    """The keys of the slot that the password opens; of two objects of one slot those of the higher epoch."""
    objects = [(name, store.read("keys", name, LIMIT_KEY_SLOT)) for name in store.names("keys")]
    need(objects, "there is no key slot")

    def epoch_of_card(item):
        return struct.unpack("<I", parse_slot(item[1])[4][8:12])[0]

    for name, data in sorted(objects, key=epoch_of_card, reverse=True):
        keys = open_slot(data, password, key_file, trace)
        if keys:
            need(keys.newest >= seen_epoch, f"an older epoch than {seen_epoch}, which was seen before")
            trace["slot"]["object"] = name
            return keys
    raise Refused("the password opens no key slot")


# ---------------------------------------------------------------------------------------------------------------------
# 5. Sealed objects

CONFIG, CARD, INDEX, SNAPSHOT, LEASE, DIRECTORY = 1, 2, 3, 4, 5, 6
KIND_NAMES = {1: "config", 2: "card", 3: "index", 4: "snapshot", 5: "lease", 6: "directory"}


def open_sealed(data, kind, keys):
    """Epoch and plaintext."""
    what = KIND_NAMES[kind]
    need(len(data) >= 60 and data[:5] == b"VRVE\1" and data[5] == kind and data[7] == 0, f"{what}: header")
    need(data[6] in (0, 1), f"{what}: flags")
    (number,) = struct.unpack("<I", data[8:12])
    need(number != 0, f"{what}: epoch 0")
    epoch, salt = keys.epoch(number), data[12:44]
    if kind == SNAPSHOT:
        need(epoch.meta, "this role cannot read snapshots")
        ikm, salt = x25519(epoch.meta, salt) + epoch.auth, salt + epoch.meta_public
    else:
        ikm = epoch.index
    k = hkdf(ikm, salt, "varve/1/sealed/" + what)
    plain = gcm_open(k, bytes(12), data[:44], data[44:], what)
    if data[6] == 1:
        need(kind not in (CONFIG, CARD) and len(plain) >= 4, f"{what}: compressed")
        (length,) = struct.unpack("<I", plain[:4])
        need(length <= LIMIT_SEALED, f"{what}: too large")
        plain = zstd_open(plain[4:], length, what)
    need(len(plain) <= LIMIT_SEALED, f"{what}: too large")
    return number, plain


# ---------------------------------------------------------------------------------------------------------------------
# 6. Signed objects


def open_signed(data, kind, keys):
    """Certificate and payload (bytes). Whoever reads the payload's time asks then whether the slot is revoked."""
    what = KIND_NAMES[kind]
    number, plain = open_sealed(data, kind, keys)
    certificate, signature, payload = fields(unpack_one(plain, what), what, list, 64, bytes)
    certificate = Certificate(certificate, keys)
    message = b"varve/1/sign/" + what.encode() + b"\0" + keys.repository + u32(number) + sha256(payload)
    ed25519_verify(certificate.sign_public, signature, message, what)
    return certificate, payload


# ---------------------------------------------------------------------------------------------------------------------
# 7. Config


def open_config(store, keys, trace):
    need(sha256(store.config()) in keys.configs, "config: not the one that the key slot names")
    number, plain = open_sealed(store.config(), CONFIG, keys)
    need(number == 1, "config: its epoch is not 1")
    config = unpack_one(plain, "config")
    need(type(config) is dict and config.get("version") == 1, "config: version")
    need(config.get("repository") == keys.repository, "config: another repository than that of the key slot")
    requires = config.get("requires", [])
    need(type(requires) is list and all(type(feature) is str for feature in requires), "config: requires")
    need(not requires, f"this repository needs a newer reader: it uses {', '.join(requires)}")
    check_time(config.get("created"), "config: created")
    for key in ("data", "tree"):
        least, average, most = fields(config.get(key), f"config: {key}", int, int, int)
        need(64 <= least <= average <= most <= LIMIT_BLOB, f"config: {key}")
        need(average & (average - 1) == 0, f"config: {key}: the average is no power of two")
    if "parity" in config:
        unsigned(config["parity"], "config: parity", 1, 100)
    trace["configPlaintext"] = plain
    return config


# ---------------------------------------------------------------------------------------------------------------------
# 8. Blobs and chunking

DATA, TREE = 1, 2


def blob_id(keys, kind, plain):
    return hmac_sha256(keys.id, bytes([kind]) + plain)


# ---------------------------------------------------------------------------------------------------------------------
# 9. Frames and packs

Frame = collections.namedtuple("Frame", "offset stored raw key codec counter blobs")
Place = collections.namedtuple("Place", "pack record frame offset length")


def unwrap_pack_key(wrapped, kind, keys):
    need(len(wrapped) == 84, "pack key: length")
    epoch = keys.epoch(struct.unpack("<I", wrapped[:4])[0])
    private, public = (epoch.content, epoch.content_public) if kind == DATA else (epoch.meta, epoch.meta_public)
    need(private, "this role cannot open this pack")
    ephemeral = wrapped[4:36]
    info = "varve/1/pack/data" if kind == DATA else "varve/1/pack/tree"
    k = hkdf(x25519(private, ephemeral) + epoch.auth, ephemeral + public, info)
    return gcm_open(k, bytes(12), wrapped[:36], wrapped[36:], "pack key")


class PackRecord:
    def __init__(self, value):
        what = "pack record"
        self.value = value
        self.kind, self.keys, frames, ids, lengths = fields(value, what, int, list, bytes, bytes, bytes)
        need(self.kind in (DATA, TREE), f"{what}: kind")
        need(all(type(key) is bytes and len(key) == 84 for key in self.keys), f"{what}: keys")
        need(len(frames) % 24 == 0 and len(ids) % 32 == 0, f"{what}: lengths of fields")
        need(len(lengths) // 4 == len(ids) // 32 and len(lengths) % 4 == 0, f"{what}: lengths of fields")
        self.ids = [ids[at : at + 32] for at in range(0, len(ids), 32)]
        self.lengths = [length for (length,) in struct.iter_unpack("<I", lengths)]
        need(all(1 <= length <= LIMIT_BLOB for length in self.lengths), f"{what}: a blob's length")
        self.frames = []
        end = blob = 0
        for offset, stored, raw, key_codec, counter, blobs in struct.iter_unpack("<6I", frames):
            frame = Frame(offset, stored, raw, key_codec & 0xFFFF, key_codec >> 16, counter, blobs)
            need(offset >= end and stored >= 17 and 1 <= raw <= LIMIT_FRAME, f"{what}: a frame's place")
            need(frame.key < len(self.keys) and frame.codec in (0, 1), f"{what}: a frame's key or codec")
            need(counter < 65536 and blobs >= 1, f"{what}: a frame's counter or count")
            need(sum(self.lengths[blob : blob + blobs]) == raw, f"{what}: the blobs do not sum up to the frame")
            self.frames.append(frame)
            end, blob = offset + stored, blob + blobs
        need(blob == len(self.ids), f"{what}: blobs without a frame")
        self.end = end

    def places(self, pack):
        """Every blob's id and place."""
        blob = 0
        for frame in self.frames:
            offset = 0
            for number in range(blob, blob + frame.blobs):
                yield self.ids[number], Place(pack, self, frame, offset, self.lengths[number])
                offset += self.lengths[number]
            blob += frame.blobs


def open_frame(sealed, frame, record, keys):
    need(len(sealed) == frame.stored, "frame: cut off")
    p = unwrap_pack_key(record.keys[frame.key], record.kind, keys)
    aad = bytes([frame.codec]) + u32(frame.raw)
    body = gcm_open(p, bytes(8) + u32(frame.counter), aad, sealed, "frame")
    if frame.codec == 1:
        body = zstd_open(body, frame.raw, "frame")
    need(len(body) == frame.raw, "frame: raw length")
    return body


def is_padme(length):
    e = length.bit_length() - 1
    s = e.bit_length()
    return length % (1 << (e - s)) == 0


def field_tables():
    """For each element of the field a table that multiplies bytes by it, and its inverse."""
    double = [value << 1 ^ (0x11D if value & 0x80 else 0) for value in range(256)]
    tables, inverses = [], [0] * 256
    for factor in range(256):
        products = [0] * 256
        for other in range(256):
            power, product = factor, 0
            for bit in range(8):
                product ^= power if other >> bit & 1 else 0
                power = double[power]
            products[other] = product
            if product == 1:
                inverses[factor] = other
        tables.append(bytes(products))
    return tables, inverses


def check_parity(data, offset):
    """The parity section, which begins at offset, to the last byte."""
    tables, inverses = field_tables()
    size, head = len(data), data[offset : offset + 16]
    need(len(head) == 16 and head[:5] == b"VRVR\1" and head[6:8] == bytes(2), "parity: header")
    percent = unsigned(head[5], "parity: percent", 1, 100)
    need(struct.unpack("<Q", head[8:])[0] == size, "parity: it is of another length")
    shard = 1024
    while size > 255 * shard or 32 * size > shard * shard:
        shard *= 2
    shards = -(-size // shard)
    parity_shards = max(2, -(-shards * percent // (100 + percent)))
    data_shards = shards - parity_shards
    length = 140 + 8 * shards
    need(offset == size - 92 - parity_shards * (length + shard) - length, "parity: its place")
    edges = [max(0, offset - (data_shards - j) * shard) for j in range(data_shards + 1)]
    pieces = [data[start:end] for start, end in zip(edges, edges[1:])]
    parity = []
    for i in range(parity_shards):
        total = 0
        for j, piece in enumerate(pieces):
            product = piece.translate(tables[inverses[255 - i ^ j]]).ljust(shard, b"\0")
            total ^= int.from_bytes(product, "little")
        parity.append(total.to_bytes(shard, "little"))
    description = head + data[-92:] + b"".join(sha256(piece)[:8] for piece in pieces + parity)
    description += sha256(description)
    section = b"".join(description + piece for piece in parity) + description
    need(section == data[offset:-92], "parity: not as the pack's other bytes make it")


def check_pack(data, listed, keys):
    """Everything that can be checked in a pack. listed: sizes and records that the index has of it."""
    size = len(data)
    need(size <= LIMIT_PACK and size >= 92, "pack: size")
    need(is_padme(size), "pack: its length is no Padmé length")
    footer = data[-92:]
    need(footer[:8] == b"VRVP\1\0\0\0", "footer: header")
    (number,) = struct.unpack("<I", footer[8:12])
    k = hkdf(keys.epoch(number).index, footer[12:44], "varve/1/footer")
    plain = gcm_open(k, bytes(12), footer[:44], footer[44:], "footer")
    offset, length, kind, parity_offset, parity_length = struct.unpack("<QIIQQ", plain)
    need(length <= LIMIT_DIRECTORY, "directory: too large")
    need(offset + length + parity_length == size - 92, "footer: the directory is not where it should be")
    need(parity_offset == (offset + length if parity_length else 0), "footer: the parity is not behind the directory")
    if parity_length:
        check_parity(data, parity_offset)
    sealed = data[offset : offset + length]
    _signer, payload = open_signed(sealed, DIRECTORY, keys)
    record, contents = fields(unpack_one(payload, "directory"), "directory", list, 32)
    own = PackRecord(record)
    (epoch,) = struct.unpack("<I", sealed[8:12])
    need(epoch == number and kind == own.kind and own.end <= offset, "footer: another epoch, kind or place")
    need(contents == sha256(data[:offset]), "directory: not of this pack")
    for listed_size, record in listed:
        need(listed_size == size and record.value == own.value, "the pack's directory is not what the index says")
    if (keys.epoch(number).content if own.kind == DATA else keys.epoch(number).meta) is None:
        return  # this role cannot open the frames
    blob = 0
    for frame in own.frames:
        body = open_frame(data[frame.offset : frame.offset + frame.stored], frame, own, keys)
        at = 0
        for number in range(blob, blob + frame.blobs):
            plain = body[at : at + own.lengths[number]]
            need(blob_id(keys, own.kind, plain) == own.ids[number], "a blob is not what its id says")
            at += len(plain)
        blob += frame.blobs


# ---------------------------------------------------------------------------------------------------------------------
# 10. Index


class Index:
    def __init__(self, store, keys, trace):
        objects = {}
        for name in store.names("index"):
            certificate, payload = open_signed(store.read("index", name, 2 * LIMIT_SEALED), INDEX, keys)
            time, replaces, condemned, packs = fields(unpack_one(payload, "index"), "index", list, list, list, list)
            check_time(time, "index: time")
            need(all(type(item) is bytes and len(item) == 32 for item in replaces), "index: replaces")
            for item in condemned:
                check_time(fields(item, "index: condemned", 32, list)[1], "index: condemned")
            packs = [fields(item, "index: pack", 32, int, list, 16, bool) for item in packs]
            packs = [(pack.hex(), size, PackRecord(record), vouched) for pack, size, record, _writer, vouched in packs]
            for _pack, size, record, _vouched in packs:
                need(record.end <= size <= LIMIT_PACK, "index: size of a pack")
            if certificate.role not in (MANAGE, FULL) or keys.is_revoked(certificate.slot, time[0]):
                replaces, condemned = [], []
                packs = [(pack, size, record, False) for pack, size, record, _vouched in packs]
            objects[name] = (replaces, condemned, packs)
            trace.setdefault("index", {"object": name, "payload": payload})
        replaced = {name.hex() for replaces, _, _ in objects.values() for name in replaces}
        self.packs, self.condemned = collections.defaultdict(list), set()
        self.blobs = collections.defaultdict(list)
        listed = []
        for name, (_replaces, condemned, packs) in objects.items():
            if name in replaced:
                continue
            self.condemned.update(pack.hex() for pack, _time in condemned)
            listed += packs
        listed.sort(key=lambda pack: not pack[3])
        hidden = {pack for pack, _size, _record, vouched in listed if vouched}
        for pack, size, record, vouched in listed:
            if vouched or pack not in hidden:
                self.packs[pack].append((size, record))
                for blob, place in record.places(pack):
                    self.blobs[blob].append(place)


class Blobs:
    """Blobs by their id, each checked."""

    def __init__(self, store, keys, index):
        self.store, self.keys, self.index = store, keys, index
        self.frames = collections.OrderedDict()  # the last few

    def read(self, blob, kind):
        places = self.index.blobs.get(blob)
        need(places, f"blob {blob.hex()} is in no pack")
        failure = None
        for place in places:
            try:
                return self.read_copy(place, blob, kind)
            except (Refused, OSError) as cause:
                failure = failure or cause
        raise failure

    def read_copy(self, place, blob, kind):
        need(place.record.kind == kind, f"blob {blob.hex()} is of another kind")
        key = (place.pack, place.frame.offset)
        if key not in self.frames:
            sealed = self.store.range(place.pack, place.frame.offset, place.frame.stored)
            self.frames[key] = open_frame(sealed, place.frame, place.record, self.keys)
            if len(self.frames) > 8:
                self.frames.popitem(last=False)
        plain = self.frames[key][place.offset : place.offset + place.length]
        need(blob_id(self.keys, kind, plain) == blob, f"blob {blob.hex()} is not what its id says")
        return plain


# ---------------------------------------------------------------------------------------------------------------------
# 11. Trees

FILE, FOLDER, SYMLINK, FIFO, SOCKET, CHARACTER_DEVICE, BLOCK_DEVICE = 1, 2, 3, 4, 5, 6, 7
Entry = collections.namedtuple(
    "Entry", "name type mode uid gid user group mtime mtime_ns ctime ctime_ns size content extra"
)


def stream(reference, kind, blobs):
    """The blobs of a content reference, one after another."""
    size, depth, ids = fields(reference, "content reference", int, int, bytes)
    need(depth in (0, 1), "content reference: depth")

    def split(joined):
        need(len(joined) % 32 == 0, "content reference: ids")
        return [joined[at : at + 32] for at in range(0, len(joined), 32)]

    ids = split(ids)
    if depth == 1:
        joined = bytearray()
        for blob in ids:
            joined += blobs.read(blob, TREE)
            need(len(joined) <= 32 * size, "content reference: more blobs than bytes")
        ids = split(bytes(joined))
    left = size
    for blob in ids:
        plain = blobs.read(blob, kind)
        left -= len(plain)
        need(left >= 0, "content reference: longer than its size")
        yield plain
    need(left == 0, "content reference: shorter than its size")


def read_directory(reference, blobs):
    entries = []
    for value in unpack_all(stream(reference, TREE, blobs), "directory", LIMIT_ENTRY):
        kinds = (bytes, int, int, int, int, str, str, int, int, int, int, int, object, dict)
        entry = Entry(*fields(value, "entry", *kinds))
        need(1 <= len(entry.name) <= LIMIT_NAME and entry.name not in (b".", b".."), "entry: name")
        need(b"\0" not in entry.name and b"/" not in entry.name, "entry: name")
        need(not entries or entries[-1].name < entry.name, "directory: names not ascending, or twice")
        need(FILE <= entry.type <= BLOCK_DEVICE and 0 <= entry.mode <= 0o7777, "entry: type or mode")
        check_time([entry.mtime, entry.mtime_ns], "entry: mtime", 2**63)
        check_time([entry.ctime, entry.ctime_ns], "entry: ctime", 2**63)
        need(entry.uid >= 0 and entry.gid >= 0 and entry.size >= 0, "entry: a negative number")
        for key in ("ino", "dev", "links"):
            need(type(entry.extra.get(key, 0)) is int, f"entry: {key}")
        for key in ("atime", "btime"):
            check_time(entry.extra.get(key, [0, 0]), f"entry: {key}", 2**63)
        if entry.type in (CHARACTER_DEVICE, BLOCK_DEVICE):
            major, minor = fields(entry.extra.get("rdev"), "entry: rdev", int, int)
            need(0 <= major < 2**32 and 0 <= minor < 2**32, "entry: rdev")
        if entry.type == FILE:
            need(type(entry.content) is list and type(entry.content[0]) is int, "entry: content of a file")
            sparse = "holes" in entry.extra
            need(entry.content[0] < entry.size if sparse else entry.content[0] == entry.size, "entry: two lengths")
        elif entry.type == FOLDER:
            need(type(entry.content) is list and entry.size == 0, "entry: content of a folder")
        elif entry.type == SYMLINK:
            need(type(entry.content) is bytes and len(entry.content) == entry.size, "entry: content of a symlink")
        else:
            need(entry.content is None, "entry: content")
        need(entry.type == FILE or "holes" not in entry.extra, "entry: holes in what is no file")
        entries.append(entry)
    return entries


def attachment(value, blobs, what):
    if type(value) is bytes:
        need(len(value) <= LIMIT_INLINE, f"{what}: too long to stand in the entry")
        return value
    need(type(value) is list and value[:1] and unsigned(value[0], what, 0, LIMIT_ATTACHMENT) >= 0, what)
    return b"".join(stream(value, TREE, blobs))


def read_xattrs(entry, blobs):
    if "xattrs" not in entry.extra:
        return []
    values = unpack_one(attachment(entry.extra["xattrs"], blobs, "entry: xattrs"), "entry: xattrs")
    need(type(values) is list and len(values) % 2 == 0, "entry: xattrs")
    need(all(type(value) is bytes for value in values), "entry: xattrs")
    names = values[::2]
    need(all(1 <= len(name) <= 255 and b"\0" not in name for name in names), "entry: name of an xattr")
    need(all(a < b for a, b in zip(names, names[1:])), "entry: xattrs are not ascending, or twice")
    return list(zip(names, values[1::2]))


def read_holes(entry, blobs):
    """Runs of data and holes, in turn."""
    if "holes" not in entry.extra:
        return [entry.size]
    runs = unpack_one(attachment(entry.extra["holes"], blobs, "entry: holes"), "entry: holes")
    need(type(runs) is list and len(runs) <= LIMIT_RUNS, "entry: holes")
    for number, run in enumerate(runs):
        unsigned(run, "entry: holes", 1 if number else 0)
    need(sum(runs) == entry.size and sum(runs[::2]) == entry.content[0], "entry: holes do not fit the size")
    return runs


# ---------------------------------------------------------------------------------------------------------------------
# 12. Snapshots


def open_snapshot(store, name, keys):
    """The snapshot's map and the payload's bytes; None where whoever signed it was revoked by then."""
    certificate, payload = open_signed(store.read("snapshots", name, 2 * LIMIT_SEALED), SNAPSHOT, keys)
    snapshot = unpack_one(payload, "snapshot")
    need(type(snapshot) is dict, "snapshot: not a map")
    check_time(snapshot.get("time"), "snapshot: time")
    for kinds, names in {
        (str,): "host user program",
        (int,): "uid gid",
        (list,): "paths tags excludes root",
        (bytes, type(None)): "parent original",
        (dict,): "summary",
    }.items():
        for key in names.split():
            need(key in snapshot and type(snapshot[key]) in kinds, f"snapshot: {key}")
    need(all(type(path) is bytes and path[:1] == b"/" for path in snapshot["paths"]), "snapshot: paths")
    need(all(type(text) is str for key in ("tags", "excludes") for text in snapshot[key]), "snapshot: tags or excludes")
    for key in ("parent", "original"):
        need(snapshot[key] is None or len(snapshot[key]) == 32, f"snapshot: {key}")
    if certificate.hosts is not None and snapshot["host"] not in certificate.hosts:
        keys.foreign.add(name)
    if keys.is_revoked(certificate.slot, snapshot["time"][0]):
        return None, payload
    return snapshot, payload


def open_snapshots(store, keys):
    """Name, map and payload of every snapshot, oldest first."""
    found = []
    for name in store.names("snapshots"):
        snapshot, payload = open_snapshot(store, name, keys)
        if snapshot:
            found.append((name, snapshot, payload))
    return sorted(found, key=lambda item: (item[1]["time"], item[0]))


# ---------------------------------------------------------------------------------------------------------------------
# 13. Leases


def check_leases(store, keys):
    for name in store.names("locks"):
        _certificate, payload = open_signed(store.read("locks", name, 2 * LIMIT_SEALED), LEASE, keys)
        time, since, *_ = fields(unpack_one(payload, "lease"), "lease", list, list, 16, str, str, str, int)
        check_time(time, "lease: time")
        check_time(since, "lease: since")


# ---------------------------------------------------------------------------------------------------------------------
# 14. Worked example: to restore a snapshot


class Restore:
    def __init__(self, blobs):
        self.blobs = blobs
        self.links = {}

    def folder(self, reference, path, depth=0):
        need(depth <= LIMIT_DEPTH, "directories: too deep")
        os.mkdir(path, 0o700)
        for entry in read_directory(reference, self.blobs):
            self.entry(entry, os.path.join(path, entry.name), depth)

    def entry(self, entry, path, depth):
        link = None
        if entry.type != FOLDER and entry.extra.get("links", 1) > 1:
            link = (entry.extra.get("dev"), entry.extra.get("ino"))
            if link in self.links:
                os.link(self.links[link], path, follow_symlinks=False)
                return
        if entry.type == FILE:
            self.file(entry, path)
        elif entry.type == FOLDER:
            self.folder(entry.content, path, depth + 1)
        elif entry.type == SYMLINK:
            os.symlink(entry.content, path)
        elif entry.type == FIFO:
            os.mkfifo(path, 0o600)
        elif entry.type == SOCKET:
            os.mknod(path, stat.S_IFSOCK | 0o600)
        elif entry.type in (CHARACTER_DEVICE, BLOCK_DEVICE) and os.geteuid() == 0:
            major, minor = fields(entry.extra.get("rdev"), "entry: rdev", int, int)
            kind = stat.S_IFCHR if entry.type == CHARACTER_DEVICE else stat.S_IFBLK
            os.mknod(path, kind | 0o600, os.makedev(major, minor))
        else:
            print("left out:", os.fsdecode(path).encode("utf-8", "backslashreplace").decode(), file=sys.stderr)
            return
        if link:
            self.links[link] = path
        if os.geteuid() == 0:
            os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
        for name, value in read_xattrs(entry, self.blobs):
            self.xattr(path, name, value)
        if entry.type != SYMLINK:
            os.chmod(path, entry.mode)
        changed = (entry.mtime, entry.mtime_ns)
        seconds, nanoseconds = entry.extra.get("atime", changed)
        times = (seconds * 10**9 + nanoseconds, changed[0] * 10**9 + changed[1])
        os.utime(path, ns=times, follow_symlinks=False)

    def xattr(self, path, name, value):
        try:
            os.setxattr(path, name, value, follow_symlinks=False)
        except OSError as error:  # not everybody may set every attribute, nor every file system keep them
            print("left out:", name.decode("utf-8", "backslashreplace"), error.strerror, file=sys.stderr)

    def file(self, entry, path):
        try:
            with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                runs = read_holes(entry, self.blobs)
                number, left = 0, runs[0] if runs else 0
                for plain in stream(entry.content, DATA, self.blobs):
                    while plain:
                        while left == 0:
                            file.seek(runs[number + 1], os.SEEK_CUR)
                            number += 2
                            left = runs[number]
                        file.write(plain[:left])
                        left, plain = left - min(left, len(plain)), plain[left:]
                file.truncate(entry.size)
        except BaseException:  # rather no file than a piece of one
            os.unlink(path)
            raise


def restore(store, keys, index, wanted, target):
    names = [name for name in store.names("snapshots") if name.startswith(wanted)]
    if wanted == "latest":
        now = time.time()
        ordinary = [
            name
            for name, snapshot, _ in open_snapshots(store, keys)
            if name not in keys.foreign and snapshot["time"][0] <= now + 86400
        ]
        names = ordinary[-1:]
    need(len(names) == 1, f"{wanted}: not one snapshot but {len(names)}")
    snapshot, _payload = open_snapshot(store, names[0], keys)
    need(snapshot, "the snapshot is of a revoked key")
    Restore(Blobs(store, keys, index)).folder(snapshot["root"], os.fsencode(target))


def check(store, keys, index):
    blobs = Blobs(store, keys, index)
    for name in store.names("data"):
        check_pack(store.read("data", name, LIMIT_PACK), index.packs.get(name, []), keys)
    for name in index.packs:
        need(os.path.exists(store.path("data", name)), f"data/{name}: missing")
    check_cards(store, keys)
    check_leases(store, keys)
    if keys.role == APPEND:
        return

    def walk(reference, depth=0):
        need(depth <= LIMIT_DEPTH, "directories: too deep")
        for entry in read_directory(reference, blobs):
            if entry.type == FOLDER:
                walk(entry.content, depth + 1)
            read_xattrs(entry, blobs)
            read_holes(entry, blobs)
            if entry.type == FILE and keys.role == FULL:
                collections.deque(stream(entry.content, DATA, blobs), maxlen=0)

    for _name, snapshot, _payload in open_snapshots(store, keys):
        walk(snapshot["root"])


def trace_file(store, keys, index, trace):
    """From the newest snapshot to the bytes of the first file that has any."""
    name, snapshot, payload = open_snapshots(store, keys)[-1]
    trace["snapshot"] = {"object": name, "payload": payload}
    blobs = Blobs(store, keys, index)

    def first(reference, path):
        for entry in read_directory(reference, blobs):
            here = path + b"/" + entry.name
            if entry.type == FOLDER and (found := first(entry.content, here)):
                return found
            if entry.type == FILE and entry.size:
                return here, entry
        return None

    found = first(snapshot["root"], b"")
    need(found, "the newest snapshot holds no file with content")
    path, entry = found
    wanted = entry.content[2][:32]
    place = index.blobs[wanted][0]
    wrapped = place.record.keys[place.frame.key]
    sealed = store.range(place.pack, place.frame.offset, place.frame.stored)
    body = open_frame(sealed, place.frame, place.record, keys)
    trace["rootDirectory"] = b"".join(stream(snapshot["root"], TREE, blobs))
    trace["file"] = {"path": os.fsdecode(path), "content": entry.content}
    trace["pack"] = {"object": place.pack, "wrappedKey": wrapped, "P": unwrap_pack_key(wrapped, DATA, keys)}
    trace["frame"] = {**place.frame._asdict(), "plaintextSha256": sha256(body)}
    plain = blobs.read(wanted, DATA)
    trace["blob"] = {"id": wanted, "offset": place.offset, "length": place.length, "sha256": sha256(plain)}


def trace_keys(keys, trace):
    trace["keys"] = {"role": keys.role, "repository": keys.repository, "id": keys.id, "gear": keys.gear}
    trace["epochs"] = [
        {
            "epoch": number, "auth": epoch.auth, "index": epoch.index, "metaPrivate": epoch.meta,
            "contentPrivate": epoch.content, "rootPublic": epoch.root_public,
        }
        for number, epoch in keys.epochs.items()
    ]  # fmt: skip


def to_json(value):
    return json.dumps(value, indent=2, default=lambda data: data.hex())


def run(options):
    store, trace = Store(options.repository), {}
    password = key_file = None
    if options.key_file:
        with open(options.key_file, "rb") as file:
            key_file = file.read(33)
        need(len(key_file) == 32, "a key file has 32 bytes")
    else:
        password = sys.stdin.readline().rstrip("\n")
    keys = open_keys(store, password, key_file, options.seen_epoch, trace)
    trace_keys(keys, trace)
    open_config(store, keys, trace)
    index = Index(store, keys, trace)
    if options.command == "snapshots":
        for name, snapshot, _payload in open_snapshots(store, keys):
            print(name, *snapshot["time"])
    elif options.command == "check":
        check(store, keys, index)
    elif options.command == "restore":
        restore(store, keys, index, options.snapshot, options.target)
    else:
        trace_file(store, keys, index, trace)
        print(to_json(trace))


def main():
    sys.setrecursionlimit(5 * LIMIT_DEPTH)
    parser = argparse.ArgumentParser(description="A reader of varve repositories, written from SPEC.md alone.")
    parser.add_argument("repository")
    parser.add_argument("--key-file")
    parser.add_argument("--seen-epoch", type=int, default=0, help="refuse a repository that offers less")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("snapshots", "check", "trace"):
        commands.add_parser(name)
    command = commands.add_parser("restore")
    command.add_argument("snapshot")
    command.add_argument("target")
    try:
        run(parser.parse_args())
    except (Refused, OSError, OverflowError) as error:
        print("refused:", error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
