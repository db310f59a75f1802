"""Check addresses with redbot, one after the other in one process; run by the Python of ``.venv-redbot``.

``python redbot_checking.py ADDRESS…`` writes a JSON object to standard output: for each address what ``redbot -o har`` would say.
"""

import json
import sys
from configparser import ConfigParser

import thor
from redbot.formatter import find_formatter
from redbot.resource import HttpResource


def check(addresses: list[str]) -> dict[str, object]:
    """What redbot says of each address, with the settings of its program."""
    settings = ConfigParser()
    settings.read_dict({"redbot": {"enable_local_access": "True"}})
    config = settings["redbot"]
    due = list(reversed(addresses))
    told: dict[str, object] = {}

    def go_on() -> None:
        if not due:
            thor.stop()
            return
        address = due.pop()
        parts: list[str] = []
        resource = HttpResource(config)
        resource.set_request(address)
        formatter = find_formatter("har", "text", multiple=False)(
            config, resource, parts.append, {"tty_out": False, "descend": False}
        )
        formatter.bind_resource(resource)

        def done() -> None:
            told[address] = json.loads("".join(parts))
            # Not from within the check that has just ended.
            thor.schedule(0, go_on)

        formatter.on("formatter_done", done)
        resource.check()

    thor.schedule(0, go_on)
    thor.run()
    return told


if __name__ == "__main__":
    json.dump(check(sys.argv[1:]), sys.stdout)
