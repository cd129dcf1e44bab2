#!/usr/bin/env python3
"""Recompute entry v1 from its description in docs/format/entry.md.

    python3 docs/entry_v1.py event/testdata/entry-v1.json

reads test vectors and recomputes every step of each: the seed of the entry, each
field's value, salt and commitment, the list hash P, the root R, the entry and its
leaf hash. It prints OK, or the first difference and exits with 1.

It shares no code with the server, uses the standard library only, and is meant to
be read beside the page.
"""

import hashlib
import json
import struct
import sys


def H(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def u8(n):
    return struct.pack(">B", n)


def u16(n):
    return struct.pack(">H", n)


def u32(n):
    return struct.pack(">I", n)


def u64(n):
    return struct.pack(">Q", n)


def i64(n):
    return struct.pack(">q", n)


def sized(text):
    """u16 length and bytes."""
    data = text.encode("utf-8")
    return u16(len(data)) + data


# Seeds and salts


def entry_seed(block, seq):
    """Walk from the block's seed down a binary tree of depth 8, high bit first."""
    seed = block
    for i in (7, 6, 5, 4, 3, 2, 1, 0):
        bit = (seq >> i) & 1
        seed = H(b"cs/ggm/1", u8(bit), seed)
    return seed


def salt(seed, f):
    return H(b"cs/salt/1", seed, u8(f))[:16]


def commitment(s, f, v):
    return H(b"cs/fld/1", s, u8(f), u32(len(v)), v)


# Values


def scope(account_id, division_id):
    division = u16(0xFFFF) if division_id is None else sized(division_id)
    return sized(account_id) + division


def frame(vector, action, resource_type, outcome, source):
    return (
        u64(int(vector["seq"]))
        + i64(int(vector["received_us"]))
        + i64(int(vector["occurred_us"]))
        + u64(int(vector["account_seq"]))
        + u64(int(vector["account_prev"]))
        + sized(action)
        + sized(resource_type)
        + sized(outcome)
        + sized(source)
    )


def event_values(vector):
    """The value of each field that the entry has, by field id."""
    event = vector["event"]
    account = event["account"]
    division = event.get("division", {})
    actor = event["actor"]
    resource = event["resource"]
    client = event.get("client", {})
    raw = event.get("raw")

    values = {
        0: scope(account["id"], division.get("id")),
        1: frame(vector, event["action"], resource["type"], event["outcome"], event["source"]),
    }
    texts = [
        event["id"],
        account.get("name"),
        division.get("name"),
        actor.get("id"),
        actor.get("name"),
        actor["type"],
        resource.get("id"),
        resource.get("name"),
        event.get("description"),
        event.get("detail"),
        client.get("ip"),
        client.get("country"),
        vector.get("recorded_by"),
    ]
    for f, text in enumerate(texts, start=2):
        if text is not None:
            values[f] = text.encode("utf-8")
    if raw is not None:
        values[15] = H(raw.encode("utf-8"))
    attributes = event.get("attributes", {})
    by_bytes = sorted(attributes, key=lambda name: name.encode("utf-8"))
    for i, name in enumerate(by_bytes):
        values[128 + i] = sized(name) + attributes[name].encode("utf-8")
    return values


def fact_values(vector):
    """A system fact has a scope and a frame with nothing in them, and no other field."""
    return {0: scope("", None), 1: frame(vector, "", "", "", "")}


# The check


class Different(Exception):
    pass


def same(what, got, want):
    if got != want:
        raise Different(f"{what}\n  computed {got}\n  vector   {want}")


def check(vector):
    kind = vector["kind"]
    seed = entry_seed(bytes.fromhex(vector["block"]), int(vector["seq"]))
    same("seed", seed.hex(), vector["seed"])

    values = event_values(vector) if kind == 0 else fact_values(vector)
    same("field ids", sorted(values), [field["f"] for field in vector["fields"]])

    commitments = {}
    for field in vector["fields"]:
        f = field["f"]
        same(f"value of field {f}", values[f].hex(), field["v"])
        s = salt(seed, f)
        same(f"salt of field {f}", s.hex(), field["s"])
        commitments[f] = commitment(s, f, values[f])
        same(f"commitment of field {f}", commitments[f].hex(), field["c"])

    listed = [u8(f) + commitments[f] for f in sorted(commitments) if f >= 2]
    p = H(b"cs/list/1", *listed)
    same("P", p.hex(), vector["p"])

    r = H(b"cs/root/1", commitments[0], commitments[1], p)
    same("R", r.hex(), vector["r"])

    statement = vector.get("statement", "").encode("utf-8")
    entry = b"countersign/entry/v1\n" + u8(kind) + r + statement
    same("entry", entry.hex(), vector["entry"])
    same("leaf", H(b"\x00", entry).hex(), vector["leaf"])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        vectors = json.load(file)["vectors"]
    for vector in vectors:
        try:
            check(vector)
        except Different as difference:
            print(f"DIFFERENT: vector {vector['name']!r}: {difference}")
            sys.exit(1)
    print(f"OK: {len(vectors)} vectors")


if __name__ == "__main__":
    main()
