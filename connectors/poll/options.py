"""What a deployment says of one status API, checked. Everything comes as text, lists and mappings."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_DURATION: Final = re.compile(r"([1-9]\d{0,8})(ms|s|m|h|d)", re.ASCII)
_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def _duration_ms(value: object) -> object:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"'{value}' is no duration; write a whole number with its unit, like 250ms, 30s, 10m")
    return int(match[1]) * _UNITS[match[2]]


#: Milliseconds, written ``250ms``, ``30s``, ``10m``, ``4h``, ``7d``.
DurationMs = Annotated[int, BeforeValidator(_duration_ms)]
Table = dict[str, Annotated[str, Field(min_length=1)]]


class PollOptions(BaseModel):
    """``options`` of a connector of type ``poll``.

    Attributes:
        mapping: a shipped one (``lifi``, ``skip``, ``circle``), or a file beside the configuration.
        base_url: where to ask, in the place of the mapping's scheme and host.
        every: how often each subject is asked about.
        renew: facts whose values stay are told again so often; default: with each answer.
        at_once: requests under way at the same time.
        max_subjects: tracked at the same time.
        give_up_after: a subject that is tracked for longer is not asked about any more.
        back_off_cap: the longest wait between requests to an API that does not answer well.
        max_answer_bytes: of a body; a longer one says nothing.
        headers_env: headers whose values come from the environment.
        allow: networks beside the public addresses.
        ca_file: the only authorities believed.
        networks: the API's name of a chain → network id in facts.
        assets: ``chain:token``, as the mapping writes it → asset id in facts.
        tables: further ones that the mapping names.
        subjects: asked about for ever, beside those that packs track.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mapping: str
    base_url: str | None = None
    every: Annotated[DurationMs, Field(ge=50)] = 10_000
    renew: DurationMs | None = None
    at_once: Annotated[int, Field(ge=1, le=64)] = 8
    max_subjects: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    give_up_after: DurationMs = 7 * 86_400_000
    back_off_cap: DurationMs = 300_000
    max_answer_bytes: Annotated[int, Field(ge=1, le=16 * 1024 * 1024)] = 1024 * 1024
    headers_env: dict[str, str] = {}
    allow: tuple[str, ...] = ()
    ca_file: str | None = None
    networks: Table = {}
    assets: Table = {}
    tables: dict[str, Table] = {}
    subjects: Annotated[list[dict[str, str]], Field(max_length=1_000)] = []
