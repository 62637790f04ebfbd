"""Why a rule or a step of a plan does not fire: the first term that does not hold, or what holds it back."""
