"""`venom-tui models versions …`."""

from __future__ import annotations

import json

from .conftest import Cli


def test_versions_of_the_demonstration_model(cli: Cli) -> None:
    assert "There is no version yet" in cli("models", "versions", "list").out
    model = "smollm2-135m"
    made = cli("models", "versions", "register", "calm", model, "--param", "temperature=0.1", "--note", "x", "--json")
    assert (made.json["name"], made.json["model"], made.json["parameters"]["temperature"]) == ("calm", model, 0.1)
    assert cli("models", "versions", "register", "wild", model, "--param", "temperature=1.5").status == 0
    assert cli("models", "versions", "activate", "calm").out == f"{model} @ embedded answers, as version calm.\n"
    assert cli("models", "versions", "activate", "wild").status == 0
    listed = {one["name"]: one for one in cli("models", "versions", "list", model, "--json").json}
    assert (listed["wild"]["active"], listed["calm"]["active"]) == (True, False)
    assert listed["wild"]["figures"]["answers"] == 0
    compared = cli("models", "versions", "compare", "calm", "wild")
    assert "first token, ms" in compared.out
    assert "temperature=1.5" in compared.out
    assert cli("models", "versions", "rollback").out == "Version calm answers again.\n"
    assert cli("models", "params", model, "--json").json["parameters"]["temperature"] == 0.1
    assert cli("models", "versions", "rollback", "--json").json is None
    refused = cli("models", "versions", "rollback", "--json")
    assert (refused.status, refused.json["error"]["code"]) == (1, "operation_refused")
    declined = cli("models", "versions", "remove", "calm", "--json")
    assert (declined.status, declined.json["error"]["code"]) == (1, "declined")
    assert cli("models", "versions", "remove", "calm", "--yes").status == 0
    for wrong in (("register", "a b", model), ("register", "x", model, "--param", "heat")):
        found = cli("models", "versions", *wrong, "--json")
        assert found.status == 2, wrong
        assert json.loads(found.out)["error"]["code"] == "usage"
    assert cli("models", "versions", "compare", "wild", "none").status == 1
