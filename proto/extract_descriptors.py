#!/usr/bin/env python3
"""Extract the xDS schema from an Envoy binary as a FileDescriptorSet.

The C++ protobuf runtime keeps the serialized FileDescriptorProto of every linked .proto file in the
binary's read-only data. They are the schema that binary really decodes, so they cannot drift from the
pinned Envoy as a separately vendored set of .proto files could.

    python3 proto/extract_descriptors.py ENVOY_BINARY proto/roots.txt proto/envoy-1.40.0.binpb
    python3 proto/extract_descriptors.py ENVOY_BINARY --list

Only the Python standard library is needed. The output is deterministic: files in dependency order, ties
broken by name. Two things are left out of it: custom options (field validation rules, udpa/xds
annotations), which only C++ code reads and which are two thirds of the bytes, and imports that nothing
needs without them. Everything else is kept byte for byte.
"""

import re
import sys

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

# Wire type of each field of google.protobuf.FileDescriptorProto (descriptor.proto). Proto3 `syntax` is 12,
# `edition` is 14.
FILE_FIELDS = {
    1: BYTES, 2: BYTES, 3: BYTES, 4: BYTES, 5: BYTES, 6: BYTES, 7: BYTES, 8: BYTES, 9: BYTES,
    10: VARINT, 11: VARINT, 12: BYTES, 14: VARINT, 15: BYTES,
}  # fmt: skip

# Where *Options messages and nested descriptors sit: kind -> {field: kind of the submessage}.
LAYOUT = {
    "file": {4: "message", 5: "enum", 6: "service", 7: "field", 8: "options"},
    "message": {2: "field", 3: "message", 4: "enum", 5: "range", 6: "field", 7: "options", 8: "oneof"},
    "field": {8: "options"},
    "oneof": {2: "options"},
    "range": {3: "options"},
    "enum": {2: "value", 3: "options"},
    "value": {3: "options"},
    "service": {2: "method", 3: "options"},
    "method": {4: "options"},
}

# descriptor.proto reserves 1000 and up of every *Options message for extensions; 9999 is the last number
# the protobuf project itself does not hand out, so no standard option is ever above it.
FIRST_EXTENSION = 1000

# FieldDescriptorProto.json_name: written by one of the two runtimes in the binary, absent from the other;
# Envoy's own files never set it to anything but the default, which readers compute.
JSON_NAME = 10


class Malformed(ValueError):
    """The bytes are not a protobuf message of the expected shape."""


def read_varint(data, at):
    """The varint at `at` and the offset after it."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("varint")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def write_varint(value):
    """`value` as a varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_field(data, at):
    """One field at `at`: number, wire type, value (bytes, or int for a varint), offset after it."""
    tag, at = read_varint(data, at)
    number, wire = tag >> 3, tag & 7
    if number == 0:
        raise Malformed("field number 0")
    if wire == VARINT:
        value, at = read_varint(data, at)
        return number, wire, value, at
    if wire == BYTES:
        size, at = read_varint(data, at)
    elif wire in (FIXED64, FIXED32):
        size = 8 if wire == FIXED64 else 4
    else:
        raise Malformed(f"wire type {wire}")
    if at + size > len(data):
        raise Malformed("length beyond the end")
    return number, wire, data[at : at + size], at + size


def fields(data):
    """All fields of one message."""
    at = 0
    while at < len(data):
        number, wire, value, at = read_field(data, at)
        yield number, wire, value


def write_field(number, wire, value):
    """One field in wire format."""
    tag = write_varint(number << 3 | wire)
    if wire == VARINT:
        return tag + write_varint(value)
    if wire == BYTES:
        return tag + write_varint(len(value)) + value
    return tag + value


def descriptor_at(data, start):
    """The longest FileDescriptorProto at `start`, or None.

    The array has no length of its own, but protobuf writes fields in ascending order, and what follows
    (padding, or the next array, whose first field is number 1) breaks that order.
    """
    at, last, seen = start, 0, set()
    # No single file of Envoy's is near this; it bounds a bogus length at a chance match.
    window = data[start : start + (1 << 20)]
    at = 0
    while at < len(window):
        try:
            number, wire, value, end = read_field(window, at)
        except Malformed:
            break
        if FILE_FIELDS.get(number) != wire or number < last or (number in (1, 2, 8, 9, 12) and number in seen):
            break
        try:
            if number in LAYOUT["file"]:
                strip("file-part", number, value)
        except Malformed:
            break
        seen.add(number)
        last, at = number, end
    return bytes(window[:at]) if seen - {1} else None


def strip(kind, number=None, data=b""):
    """`data`, a descriptor of `kind`, without custom options (an options message left empty is dropped)."""
    if kind == "file-part":
        return strip(LAYOUT["file"][number], data=data)
    out = bytearray()
    for field, wire, value in fields(data):
        if kind == "options":
            if field < FIRST_EXTENSION:
                out += write_field(field, wire, value)
            continue
        if kind == "field" and field == JSON_NAME:
            continue
        child = LAYOUT[kind].get(field)
        if child is not None:
            if wire != BYTES:
                raise Malformed(f"{kind} field {field}")
            value = strip(child, data=value)
            if child == "options" and not value:
                continue
        out += write_field(field, wire, value)
    return bytes(out)


def find_descriptors(binary):
    """All files of the binary: name -> descriptor without custom options."""
    found = {}
    start = re.compile(rb"\x0a([\x01-\x7f])([A-Za-z0-9_./-]+?\.proto)")
    for match in start.finditer(binary):
        if match.group(1)[0] != len(match.group(2)):
            continue
        raw = descriptor_at(binary, match.start())
        if raw is None:
            continue
        name = match.group(2).decode()
        stripped = strip("file", data=raw)
        # Two protobuf runtimes (upb and C++) may each carry a copy. They must agree.
        if found.setdefault(name, stripped) != stripped:
            raise SystemExit(f"{name}: two different descriptors in one binary")
    return found


def texts(data, number):
    """The string values of field `number`."""
    return [value.decode() for field, _, value in fields(data) if field == number]


def without_annotation_imports(found):
    """Drop imports of files that hold nothing but extensions of descriptor options, and such files."""
    annotations = {"google/protobuf/descriptor.proto"}
    for name, data in found.items():
        present = {number for number, _, _ in fields(data)}
        # validate.proto and the annotation files extend the *Options messages (7); the messages some of
        # them also define are the types of those extensions.
        if 7 in present and "google/protobuf/descriptor.proto" in texts(data, 3):
            annotations.add(name)
    kept = {}
    for name, data in found.items():
        imports = texts(data, 3)
        # public_dependency (10) and weak_dependency (11) index into the imports.
        if any(number in (10, 11) for number, _, _ in fields(data)):
            if any(i in annotations for i in imports):
                raise SystemExit(f"{name}: public imports of annotations are not handled")
        out = bytearray()
        for number, wire, value in fields(data):
            if not (number == 3 and value.decode() in annotations):
                out += write_field(number, wire, value)
        kept[name] = bytes(out)
    return kept


def closure(found, roots):
    """`roots` and everything they import, imports before importers."""
    order, state = [], {}

    def visit(name, by):
        if state.get(name) == "done":
            return
        if name not in found:
            raise SystemExit(f"{name} (needed by {by}) is not in this binary")
        if state.get(name) == "open":
            raise SystemExit(f"{name}: import cycle")
        state[name] = "open"
        for needed in sorted(texts(found[name], 3)):
            visit(needed, name)
        state[name] = "done"
        order.append(name)

    for root in sorted(roots):
        visit(root, "the list of roots")
    return order


def read_roots(path):
    """The file names in a roots file: one a line, `#` starts a comment."""
    with open(path, encoding="utf-8") as file:
        lines = (line.split("#", 1)[0].strip() for line in file)
        return [line for line in lines if line]


def main(arguments):
    """Command line: see the module docstring."""
    if len(arguments) not in (2, 3):
        raise SystemExit(__doc__)
    with open(arguments[0], "rb") as file:
        found = without_annotation_imports(find_descriptors(file.read()))
    if arguments[1] == "--list":
        print("\n".join(sorted(found)))
        return
    if len(arguments) != 3:
        raise SystemExit(__doc__)
    order = closure(found, read_roots(arguments[1]))
    with open(arguments[2], "wb") as file:
        for name in order:
            # FileDescriptorSet { repeated FileDescriptorProto file = 1; }
            file.write(write_field(1, BYTES, found[name]))
    print(f"{len(order)} files, {sum(len(found[n]) for n in order)} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
