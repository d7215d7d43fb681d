"""Every protovalidate rule compiles and runs: a broken expression would refuse every message at run time."""

from __future__ import annotations

import protovalidate
from google.protobuf.message_factory import GetMessageClass

from tests.contract import catalog


def test_every_rule_compiles_and_runs() -> None:
    validator, broken, checked = protovalidate.Validator(), [], 0
    for message in catalog.messages():
        if message.GetOptions().map_entry:
            continue
        try:
            validator.collect_violations(GetMessageClass(message)())
            checked += 1
        except (protovalidate.CompilationError, protovalidate.EvaluationError) as error:
            broken.append(f"{message.full_name}: {error}")
    assert broken == []
    assert checked > 0
