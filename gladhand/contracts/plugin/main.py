"""The console script `buf-plugin-gladhand`: PluginRPC over standard input and output.

buf runs it nine times for each module that it checks, so that nothing is imported before it is needed.
"""

from __future__ import annotations

import sys

from gladhand.contracts.plugin import introduction

_HELP = "it is run by buf: name it under plugins in buf.yaml, then call buf lint or buf breaking"


def answer(arguments: list[str], given: bytes) -> bytes:
    """Return what the plugin prints. Raises ValueError where it was not called as buf calls it."""
    words = [argument for argument in arguments if argument not in {"--format", "binary"}]
    if words == ["--spec"]:
        return introduction.spec()
    path = words[0] if len(words) == 1 else ""
    procedure = path.removeprefix(introduction.SERVICE)
    if procedure == path or procedure not in introduction.PROCEDURES:
        raise ValueError(f"nothing answers to the arguments {' '.join(arguments) or '(none)'}")
    if given and f"{introduction.TYPES}{procedure}Request".encode() not in given:
        raise ValueError(f"standard input holds no {procedure}Request, but {len(given)} bytes of something else")
    if procedure == "ListRules":
        return introduction.response(procedure, introduction.rules())
    if procedure == "ListCategories":
        return introduction.response(procedure, introduction.categories())
    from gladhand.contracts.plugin import check  # noqa: PLC0415 - the other calls need neither protobuf nor rules

    return check.answer(given)


def main() -> None:
    """The console script."""
    arguments = sys.argv[1:]
    if arguments == ["--protocol"]:
        sys.stdout.write("1\n")
        return
    try:
        given = b"" if "--spec" in arguments or not arguments else sys.stdin.buffer.read()
        answered = answer(arguments, given)
    except ValueError as error:
        sys.exit(f"buf-plugin-gladhand: {error}; {_HELP}")
    sys.stdout.buffer.write(answered)


if __name__ == "__main__":
    main()
