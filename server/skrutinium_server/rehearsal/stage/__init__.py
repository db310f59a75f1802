"""A stage for rehearsals: a whole site with its readers' addresses, and all that can go otherwise than usual on it."""

from skrutinium_server.rehearsal.stage.acting import AUTHORITY, REASON
from skrutinium_server.rehearsal.stage.acts import Act, acts_path, read_acts
from skrutinium_server.rehearsal.stage.errors import StageError
from skrutinium_server.rehearsal.stage.stage import ACTS, Stage

__all__ = ["ACTS", "AUTHORITY", "REASON", "Act", "Stage", "StageError", "acts_path", "read_acts"]
