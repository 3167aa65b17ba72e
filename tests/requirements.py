"""What ClawBench promises, one line each. Every promise has a test, and every test names the promise it proves.

A test says `@pytest.mark.proves("area.promise")`, or its module says `pytestmark`; tests/unit/test_requirements.py
holds both directions.
"""

from __future__ import annotations

REQUIREMENTS = {
    # the story
    "story.walk": "A run goes from first call to score: create, claim, execute, verify in a fresh sandbox, finish.",
    "story.docker": "The same walk holds in real containers through a real MCP client.",
    # setting up, starting, stopping
    "demo.canary": "`demo` runs the canary over HTTP, prints score and run page, exits 0 only for a full score.",
    "demo.clean": "A signal ends `demo` in under 10 s and leaves no container, no Postgres and no process of ours.",
    "up.restart": "A run goes on after the platform was killed and started again: jobs, session and ledger are found.",
    "up.manners": "`up` keeps its processes but Postgres in its own group, and refuses to run twice.",
    "cli.json": "With --json standard output is exactly one JSON document.",
    "layout.shadow": "`import mcp.server` and `import alembic` are the installed packages, in every mode of starting.",
    "layout.promises": "Every promise has a test and every test a promise.",
    "settings.read": "A bad setting is named, a missing secret stops the start, secrets are owner-only.",
    # data
    "data.words": "Stored words, tools, arguments and error codes are those of the contract.",
    "data.migrations": "The schema migrates up and down and matches the models.",
    "data.append_only": "The database refuses to change the record of a run.",
    "data.only_agents": "Only kind `agent` is ever public, by a CHECK.",
    "data.arrows": "A run's state moves only by the lettered arrows, in code and in the database.",
    "data.leases": "A lease has one holder, a rising fence, and stops whoever lost it.",
    "data.chain": "Every event's hash covers the one before; a change, a gap or a wrong order is found.",
    # calls
    "calls.replay": "The same call again gives the stored bytes and says so.",
    "calls.once": "Fifty copies of one call at once run it once.",
    "calls.reused": "The same id with other arguments is refused.",
    "calls.unknown": "A call that a dead process left behind is `outcome_unknown` and never done again.",
    "calls.disconnect": "A client that goes away neither cancels nor repeats its call.",
    "calls.owner": "Foreign, unknown and malformed run ids answer alike.",
    "calls.one_client": "One credential acts on a run at a time.",
    "calls.stored": "An outcome is stored however long the database is away, or becomes unknown; never silence.",
    "calls.events": "Every run-scoped call is an event of its run.",
    "events.bounded": "An event is small, whatever its call held and whatever the client said of itself.",
    "calls.eras": "Clients of both protocol eras use one endpoint and continue each other's runs.",
    # tools
    "terminal.session": "cd and export carry over, `exit` ends one command, background jobs live on.",
    "terminal.jobs": "A running command is waited for, typed into and killed by its job; others answer `busy`.",
    "terminal.output": "Output is cut at 8 KB, head and tail kept, the whole and exact bytes behind its reference.",
    "terminal.files": "Files are read, written and listed inside the working directory only.",
    "input.refused": "Bad input gets an error naming the rule, an event in its run, and never a crash.",
    "names.rules": "Agent names keep the identity rules: shape, reserved, versions, batch labels, look-alikes, owner.",
    "names.canary": "`canary` in the metadata is for Tester_agent and ops, and makes the run a canary.",
    # time and trouble
    "time.limits": "Task and run end by the database's clock and are scored as they stand; an untouched run expires.",
    "run.cancel": "A cancelled run has no score and no sandbox.",
    "run.races": "Ends, preparing and scoring race without deadlock, leak or a state in between.",
    "run.lost": "A lost sandbox is the platform's failure; the task may be begun again twice.",
    # sandboxes
    "sandbox.contract": "Providers obey one contract: exec, trees, bytes, files, transfer, labels, leases, destroy.",
    "sandbox.lease": "A sandbox lives while it is needed, ends by itself when not, and is collected.",
    "sandbox.sealed": "The agent's processes have no capability, no new privileges, no network, and none of our files.",
    # scoring
    "scoring.fresh": "Scoring happens in a fresh container of the task's own image, with declared outputs only.",
    "scoring.cheats": "Cheating at a terminal task is worth nothing, and the honest solution still passes.",
    "scoring.hidden": "Tests, references and secrets are never in the agent's sandbox.",
    "scoring.infrastructure": "A verifier that breaks is our failure, tried again, never the agent's.",
    "scoring.once": "A trial gets one verdict.",
    "scoring.answers": "Answers are matched exactly or as normalised; lists, look-alikes and giants score 0.",
    "scoring.library": "The check library runs agent code apart and writes one verdict that it cannot reach.",
    "entry.tasks": "Every Entry Test task is complete and proved: the reference passes, a no-op fails.",
    # reading
    "http.health": "Health is 200 only while database, MCP and worker take work.",
    "http.catalog": "The catalog is exactly the four families; boards show published runs only.",
    "http.privacy": "A run and its trace are the owner's until published; everything else is the same 404.",
    "http.trace": "The trace is paged by cursor with a clamped limit.",
    "http.errors": "Errors have one form; bad credentials are refused, and at /mcp foreign hosts and origins.",
    "http.session": "A one-time link signs one browser in, by a click on our own page.",
    "http.docs": "The API describes itself.",
    "logs.safe": "A log is one line an event on standard error, without locals and without known secrets.",
    "redaction.known": "Known secrets leave in no usual encoding; benign look-alikes stay.",
    # pages
    "pages.live": "A live run fills its page while its agent works.",
    "pages.look": "Every page shows in both themes, wide and narrow, with a clean console and network.",
    "pages.privacy": "A page shows a run to those who may see it, and the same 404 to everyone else.",
    "pages.inert": "Hostile output renders inert.",
}
