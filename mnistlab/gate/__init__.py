"""No worse than what was accepted? Seed runs, margins, the accepted state, and the comparisons."""
