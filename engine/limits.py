"""Every bound of the engine in one place, with its unit in its name and the reason beside it."""

from __future__ import annotations

# --- time ---------------------------------------------------------------
#: An entry id may lead the server's clock by this much and still carry time (covers replica clock drift).
MAX_LEAD_MS = 2_000
#: A fact observed later than now + this is quarantined (Hermes allows 5 s of drift; networks need more).
MAX_SKEW_MS = 15_000
#: Retraction leaves a tombstone that long, so that a late duplicate cannot bring the fact back.
TOMBSTONE_MS = 3_600_000
#: Hashes of removed blocks are remembered that long.
REORG_MEMORY_MS = 86_400_000
#: `keep: while_used` facts and ended commands stay at least that long.
KEEP_USED_MS = 86_400_000
#: Default life of a `once` key when a rule names none.
ONCE_KEEP_MS = 30 * 86_400_000
#: A source not heard of for so long is `silent`.
SOURCE_SILENT_MS = 300_000
#: So many rejections of one source within a minute make it `noisy`.
NOISY_REJECTIONS = 20
#: A schedule occurrence passed by more than this in one step of time is `missed`.
MISSED_AFTER_MS = 60_000
#: Command sent but without a report for so long becomes `unknown`.
REPORT_WITHIN_MS = 600_000
#: A `command` fact stays that long after its last change of status.
COMMAND_KEEP_MS = 7 * 86_400_000
#: Firings that may cause one another within one step, one below the other.
MAX_CHAIN_DEPTH = 128
#: That a coordination has ended is remembered that long; until then its intent starts nothing again.
DONE_KEEP_MS = 90 * 86_400_000
#: Events of one coordination that are kept with it, to be told; the audit has all, for a shorter time.
MAX_STORY = 300

# --- the journal and its entries ----------------------------------------
#: Decisions committed together.
MAX_BATCH = 500
#: Bytes of one entry's `data`.
MAX_DATA_BYTES = 64 * 1024
#: Bytes of one entry's other fields together (kind, source, id, …).
MAX_ENVELOPE_BYTES = 4 * 1024
#: Nesting of one entry's `data`.
MAX_DATA_DEPTH = 16
#: Bytes of an `id` value.
MAX_ID_BYTES = 256
#: Elements of a `list(T)` value.
MAX_LIST_ITEMS = 256
#: Digits of a decimal string: 2^256 - 1 has 78.
MAX_DIGITS = 78
MAX_UINT256 = 2**256 - 1
#: JSON integers beyond this are refused: their sender may have rounded them already.
MAX_JSON_INT = 2**53 - 1
#: Claims kept per key.
MAX_CLAIMS = 16
#: Sources the engine tells apart; facts of further ones are taken, but not counted by source.
MAX_SOURCES = 10_000
#: `rejected` keeps about that many entries; so does `clock`.
MAX_REJECTED = 100_000
#: Bytes of a rejected field that are kept.
MAX_REJECTED_FIELD_BYTES = 2_048

# --- packs ----------------------------------------------------------------
MAX_PACK_BYTES = 1024 * 1024
MAX_PACK_NODES = 50_000
MAX_PACK_DEPTH = 32
MAX_PACK_FILES = 256
MAX_EXPRESSION_CHARS = 4_096
MAX_EXPRESSION_NODES = 512
MAX_EXPRESSION_DEPTH = 32
MAX_RULES = 5_000
MAX_PLANS = 1_000
#: Steps of one plan.
MAX_STEPS = 64
#: Further attempts that one `retry` names.
MAX_WAITS = 100
#: Patterns of one rule (the joining library takes 16).
MAX_PATTERNS = 16
#: Fields of one kind.
MAX_FIELDS = 128
#: Rows a pattern that joins nothing may multiply before it is an error.
MAX_PRODUCT = 1_000_000
#: Alternatives that `in [a, b]` joins may unfold into, per rule.
MAX_VARIANTS = 16

# --- evaluation ------------------------------------------------------------
#: Firings of one decision before its chain is cut, its effects dropped and its rules suspended.
MAX_CHAIN = 1_000_000
#: Magnitude of any intermediate result: products of two uint256 fit.
MAX_RESULT_BITS = 520
#: Exponent of pow10.
MAX_POW10 = 77
#: Characters of a rendered text.
MAX_TEXT_CHARS = 4_096
#: Commands that may fire at once when a rule base is pushed.
PUSH_ACCEPT = 100

# --- store -------------------------------------------------------------------
LEASE_MS = 6_000
AUDIT_KEEP_MS = 30 * 86_400_000
SNAPSHOT_EVERY_MS = 3_600_000
SNAPSHOT_EVERY_ENTRIES = 1_000_000
SNAPSHOTS_KEPT = 3
