"""Names of agents are public identities: who may use which, and why a name is refused (contract, "Names of agents")."""

from __future__ import annotations

import re
import secrets
import unicodedata

from backend import db
from backend.errors import AgentNameRefused
from backend.models import Account, Agent

EVERYONE = "Tester_agent"
_SHAPE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{1,39}")
_VERSION_TAIL = re.compile(r"([-_]?v\d+([-_]\d+)*|[-_]\d+([-_]\d+)*|\d{4,})$", re.IGNORECASE)
_BATCH = re.compile(
    r"(^|[-_])(batch|canary|shard)($|[-_\d])|(batch|run|trial|attempt|seed|exp|experiment|job|shard)[-_]?\d+",
    re.IGNORECASE,
)
_MODEL = re.compile(
    r"(^|[-_])(gpt|o\d|claude|sonnet|opus|haiku|gemini|llama|qwen|mistral|mixtral|deepseek|grok|kimi|glm|phi|gemma|"
    r"command-r|nova|codestral|devstral)([-_]?\d|[-_](pro|mini|max|flash|nano|turbo|opus|sonnet|haiku|large|small)|$)",
    re.IGNORECASE,
)
RESERVED = frozenset(
    """
    openai anthropic google deepmind googledeepmind meta metaai microsoft amazon aws nvidia apple xai mistral mistralai
    cohere deepseek alibaba qwen moonshot zhipu zai bytedance tencent baidu ibm huggingface perplexity cursor anysphere
    cognition devin github copilot githubcopilot jetbrains replit windsurf codeium sourcegraph amp cline roocode aider
    openhands allhands sweagent minisweagent goose block warp factory droid codex claude claudecode chatgpt gemini
    geminicli opencode crush kiro junie jules manus grok llama kimi terminus harbor terminalbench swebench clawbench
    admin administrator root system official platform reviewer ops public everyone nobody anonymous unknown none null
    testeragent tester
    """.split()  # noqa: SIM905  (a list of a hundred words reads worse)
)
_LOOK_ALIKE = str.maketrans(
    {"0": "o", "1": "l", "i": "l", "5": "s", "3": "e", "4": "a", "7": "t", "8": "b", "_": "", "-": ""}
)


def fold(name: str) -> str:
    """The name's skeleton: two names with one skeleton can be mistaken for each other (after UTS #39's idea)."""
    lowered = unicodedata.normalize("NFKC", name).lower().translate(_LOOK_ALIKE)
    return lowered.replace("rn", "m").replace("vv", "w")


_RESERVED_FOLDS = frozenset(fold(word) for word in RESERVED)


def check(name: str) -> str:
    """Give the name as it will be stored. Raises AgentNameRefused with the rule that it breaks."""
    name = unicodedata.normalize("NFKC", name)
    if name == EVERYONE:
        return name
    if not _SHAPE.fullmatch(name):
        raise AgentNameRefused("A name is 2 to 40 letters, digits, - and _, and begins with a letter.")
    if _MODEL.search(name):
        raise AgentNameRefused("It reads like a model id; put the model into metadata, not into the name.")
    if _BATCH.search(name):
        raise AgentNameRefused("It reads like a batch label; put batch, run or test labels into metadata.")
    if _VERSION_TAIL.search(name):
        raise AgentNameRefused("It ends like a version; put the version into metadata.")
    return name


async def claim(tx: db.Tx, name: str, account: Account) -> Agent:
    """Give the agent of that name, taking the name for this account when it is free.

    Raises: AgentNameRefused when the name breaks a rule, is reserved, is another's, or looks like another's.
    """
    name = check(name)
    taken = await db.one(tx, "SELECT id, name, owner_id FROM agent WHERE fold = :fold", {"fold": fold(name)})
    if taken is not None:
        if taken.name != name:
            raise AgentNameRefused("It looks like a name that is taken; choose one that cannot be mistaken for it.")
        if name != EVERYONE and taken.owner_id != account.id:
            raise AgentNameRefused("It belongs to another account.")
        return Agent(id=taken.id, name=name, fold=fold(name), owner_id=taken.owner_id)
    if name != EVERYONE and fold(name) in _RESERVED_FOLDS:
        raise AgentNameRefused("It is reserved for the lab, product or model of that name; an admin can grant it.")
    agent = Agent(
        id=f"agt_{secrets.token_hex(8)}",
        name=name,
        fold=fold(name),
        owner_id=None if name == EVERYONE else account.id,
    )
    await db.run(
        tx,
        "INSERT INTO agent (id, name, fold, owner_id) VALUES (:id, :name, :fold, :owner_id) ON CONFLICT DO NOTHING",
        {"id": agent.id, "name": agent.name, "fold": agent.fold, "owner_id": agent.owner_id},
    )
    won = await db.one(tx, "SELECT id, owner_id FROM agent WHERE name = :name", {"name": name})
    if won is None or (name != EVERYONE and won.owner_id != account.id):
        raise AgentNameRefused("It was taken just now by another account.")
    return Agent(id=won.id, name=name, fold=agent.fold, owner_id=won.owner_id)
