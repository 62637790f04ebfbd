"""Ids are hashes of their causes, so the same journal gives the same ids; nothing is random."""

from __future__ import annotations

import base64
import hashlib
import json


def hash_id(*parts: object) -> str:
    """First 16 bytes of SHA-256 over the canonical JSON of the parts: 26 characters of lower-case base32."""
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(text.encode()).digest()[:16]
    return base64.b32encode(digest).decode().rstrip("=").lower()


def activation_id(rule: str, key: object, cause: str, number: int) -> str:
    """Id of an activation: the rule, its group's key, the step's cause, and how many fired before it in that step."""
    return hash_id("activation", rule, key, cause, number)


def command_id(activation: str, index: int, attempt: int) -> str:
    """Id of a command, its idempotency key: the activation, the effect's place in the rule, and the attempt."""
    return hash_id("command", activation, index, attempt)


def coordination_id(plan: str, keys: object) -> str:
    """Id of a coordination: the plan and the keys of its ``for`` facts, so the same intent never starts twice."""
    return hash_id("coordination", plan, keys)
