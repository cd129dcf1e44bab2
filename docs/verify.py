#!/usr/bin/env python3
"""Check one proof of a trail and print what it shows.

    python3 docs/verify.py KEYS PROOF.tlog-proof

KEYS holds the vkeys that you trust, one a line; get them from somebody else than the
proof. Ends with 0 and OK, or with 1 and what is wrong. It shares no code with the
server, needs Python and openssl only, and is explained in docs/verify.md.
"""

import base64, hashlib, io, json, pathlib, struct, subprocess, sys, tempfile


def need(ok, what):
    if not ok:
        raise ValueError(what)


def H(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def unbase64(text):
    return base64.b64decode(text, validate=True)


def counted(r, n=2):  # the length in n bytes, then so many
    return r.read(int.from_bytes(r.read(n), "big"))


def read_keys(text):  # c2sp.org/signed-note: name+id+base64(type || key)
    keys = {}
    for name, key_id, key in (line.split("+", 2) for line in text.split("\n") if line and line[0] != "#"):
        key = unbase64(key)
        need(key[0] == 1 and H(name.encode(), b"\n", key)[:4].hex() == key_id, "not an Ed25519 vkey of " + name)
        keys[name, key_id] = key[1:]
    return keys


def signed_by(key, text, signature):  # RFC 8032; the hex is how DER says "an Ed25519 key"
    with tempfile.TemporaryDirectory() as d:
        for name, data in ("key", bytes.fromhex("302a300506032b6570032100") + key), ("text", text), ("sig", signature):
            pathlib.Path(d, name).write_bytes(data)
        command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in text -sigfile sig"
        return subprocess.run(command.split(), cwd=d, capture_output=True).returncode == 0


def check_note(note, keys):  # c2sp.org/tlog-checkpoint: origin, size and root, if a key of the origin signed them
    body, _, signatures = note.partition("\n\n")
    origin, size, root = body.split("\n")[:3]
    signed = False
    for _, name, signature in (line.split(" ") for line in signatures.split("\n")[:-1]):
        signature = unbase64(signature)
        key = keys.get((name, signature[:4].hex()))
        if key and name == origin:  # other signatures, such as those of witnesses, mean nothing to us
            need(signed_by(key, (body + "\n").encode(), signature[4:]), "a signature of the checkpoint is bad")
            signed = True
    need(signed, "no key that you trust has signed the checkpoint")
    return origin, int(size), unbase64(root)


def climb(path, index, size, leaf):  # RFC 6962, section 2.1.1: the root that a path leads to
    need(0 <= index < size and bool(path) == (size > 1), "the index is beyond the tree, or the path is not as long")
    if size == 1:
        return leaf
    half = 1 << (size - 1).bit_length() - 1
    if index < half:
        return H(b"\x01", climb(path[:-1], index, half, leaf), path[-1])
    return H(b"\x01", path[-1], climb(path[:-1], index - half, size - half, leaf))


def recompute(opening):  # docs/format/proof.md: the root that an opening gives, and the values that it shows
    r, commitments, shown = io.BytesIO(opening), {}, {}
    form = r.read(1)[0]
    seed = r.read(32) if form == 1 else None
    while r.tell() < len(opening) - (32 if form > 2 else 0):
        f, mark = r.read(1), r.read(1)
        need(f not in commitments and (form < 3 or f < b"\x02"), "a field twice, or one that the form does not have")
        if mark == b"\x00":
            commitments[f] = r.read(32)
            continue
        salt = H(b"cs/salt/1", seed, f)[:16] if seed else r.read(16)
        value = shown[f[0]] = counted(r, 4)
        commitments[f] = H(b"cs/fld/1", salt, f, struct.pack(">I", len(value)), value)
    listed = [f + commitments[f] for f in sorted(commitments) if f > b"\x01"]
    p = r.read(32) if form > 2 else H(b"cs/list/1", *listed)
    return H(b"cs/root/1", commitments[b"\x00"], commitments[b"\x01"], p), shown


def check_proof(text, keys):  # c2sp.org/tlog-proof
    head, _, note = text.partition("\n\n")
    tag, extra, index, *path = head.split("\n")
    need(tag == "c2sp.org/tlog-proof@v1", "not a proof")
    index, extra = int(index.removeprefix("index ")), io.BytesIO(unbase64(extra.removeprefix("extra ")))
    entry, opening = counted(extra), extra.read()
    origin, size, root = check_note(note, keys)
    need(climb([unbase64(h) for h in path], index, size, H(b"\x00", entry)) == root, "the path does not lead to the root")
    recomputed, shown = recompute(opening)
    need(entry[:21] == b"countersign/entry/v1\n" and entry[22:54] == recomputed, "the opening is not that of the entry")
    need(1 not in shown or shown[1][:8] == struct.pack(">Q", index), "the opening is that of another entry")
    kind = {"kind": entry[21], "statement": entry[54:].decode()} if entry[21] else {}
    return "entry %d of the %d that %s had" % (index, size, origin), kind | dict(fields(shown))


def fields(shown):  # docs/format/entry.md, section 3: what the values mean
    texts = ("id account.name division.name actor.id actor.name actor.type resource.id resource.name description "
             "detail client.ip client.country recorded_by").split()
    for f, value in shown.items():
        r = io.BytesIO(value)
        if f == 0:
            yield "account.id", counted(r).decode()
            if value[-2:] != b"\xff\xff":
                yield "division.id", counted(r).decode()
        elif f == 1:
            numbers = struct.unpack(">QqqQQ", r.read(40))
            yield from zip(("seq", "received_us", "occurred_us", "account_seq", "account_prev"), numbers)
            yield from ((name, counted(r).decode()) for name in ("action", "resource.type", "outcome", "source"))
        elif f < 128:
            yield (texts[f - 2], value.decode()) if f < 15 else ("sha256_of_raw", value.hex())
        else:
            yield "attributes." + counted(r).decode(), r.read().decode()


def main(keys_file, proof_file):
    try:
        keys = read_keys(pathlib.Path(keys_file).read_text("utf-8"))
        what, shown = check_proof(pathlib.Path(proof_file).read_bytes().decode(), keys)
    except (ValueError, IndexError, KeyError, TypeError, struct.error) as wrong:
        sys.exit("WRONG: %s" % wrong)
    print("OK:", what)
    print(json.dumps(shown, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) == 3 else sys.exit(__doc__)
