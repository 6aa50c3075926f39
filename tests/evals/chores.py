"""How well clients' chores are told from what people ask: `uv run python -m tests.evals.chores
[--data DIR]`.

`chores.jsonl` has requests in the forms that clients send, with the few words of theirs that a rule
quotes, and what people ask for in similar words, in English and Spanish. With DIR (its `*.jsonl`
have a `text`) each text is also asked as a person would: alone, and as a system prompt.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orch.server.chores.recognition import Rules
from orch.server.chores.rule_list import shipped_rules

CASES = Path(__file__).with_suffix(".jsonl")
PERSON = "person"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--json", action="store_true", help="the default: one object on stdout")
    print(json.dumps(measured(parser.parse_args().data), indent=2, ensure_ascii=False))


def measured(data: Path | None = None) -> dict[str, Any]:
    """How many were told rightly, and each that was not."""
    rules, cases = shipped_rules(), list(load_cases())
    chores = [case for case in cases if case["client"] != PERSON]
    missed = [case for case in chores if found_in(rules, case) != case["chore"]]
    people = [case for case in cases if case["client"] == PERSON]
    people += list(_texts(data)) if data else []
    taken = [case for case in people if found_in(rules, case)]
    return {
        "chores": len(chores),
        "clients": len({case["client"] for case in chores}),
        "by_chore": dict(Counter(case["chore"] for case in chores)),
        "missed": [_short(case) for case in missed],
        "people": len(people),
        "taken_for_chores": [_short(case) for case in taken],
    }


def load_cases() -> Iterator[dict[str, Any]]:
    """The cases of the file."""
    return map(json.loads, CASES.read_text("utf-8").splitlines())


def found_in(rules: Rules, case: dict[str, Any]) -> str:
    """The name of the chore that is found; empty for none."""
    found = rules.recognise(case["messages"], case["tools"], case["max_tokens"])
    return found.name if found else ""


def _texts(data: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(data.glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            text = json.loads(line)["text"]
            question = {"role": "user", "content": text}
            system = {"role": "system", "content": text}
            for messages in ([question], [system, {"role": "user", "content": "Go on."}]):
                yield {"client": PERSON, "messages": messages, "tools": False, "max_tokens": None}


def _short(case: dict[str, Any]) -> str:
    return f"{case['client']}: {str(case['messages'][-1]['content'])[:120]}"


if __name__ == "__main__":
    main()
