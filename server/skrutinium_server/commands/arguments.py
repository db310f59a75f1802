"""Arguments that many commands share."""

from pathlib import Path
from typing import Any

import click

from skrutinium_server.process.site import Site


class SiteArgument(click.ParamType[Site]):
    """A site folder; refused with the reason when it is none."""

    name = "SITE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Site:  # noqa: ARG002 - click names them
        """Turn a path into its site."""
        return value if isinstance(value, Site) else Site(Path(value))


SITE = click.argument("site", type=SiteArgument())
RUN = click.argument("run")
EVENT = click.option("--event", help="The event; may be left out where the site has one only.")
WHO = click.option("--who", help="Who does this, as recorded; unless given, the name of the login.")
PATHS = click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
