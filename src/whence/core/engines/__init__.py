"""Work shared out among workers: here, in processes of this machine, or on Ray.

engines    the engines by name
team       what every engine gives: workers that each hold something opened, and are asked
serial     this process
local      processes of this machine
answering  what such a process runs
on_ray     actors of Ray, on one machine or many

A unit of work is a function of a module and what it is asked: `ask(opened, question)`. What is
opened is opened once by each worker, with arguments of its own, so that an index whose shards lie
on many machines and a recorded run that is trained again a hundred times are the same to an engine.

    with open_engine("processes", workers=2).team(open_run, [(path,), (path,)]) as team:
        losses = list(team.map(replay, weights))

Functions, arguments and answers travel between processes, so the functions must be found by name
in a module, and the rest must be picklable. Nothing of that is ever written down.
"""

from whence.core.engines.engines import ENGINES, Engine, open_engine
from whence.core.engines.team import Team

__all__ = ["ENGINES", "Engine", "Team", "open_engine"]
