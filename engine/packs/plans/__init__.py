"""Plans: YAML → ``engine.model.plans``, typed and checked; one noun of the language a file.

What a place of a plan may read is a ``Realm`` (``realm.py``): conditions read the aliases of ``for`` and their own,
values those of the conditions that came before them too.
"""

from engine.packs.plans.plan import read_plan

__all__ = ["read_plan"]
