"""What is told to the deciders for the corpus: for each aggregate its lives, to every kind of end."""

from tools.corpus.stories.excursions import EXCURSIONS
from tools.corpus.stories.loads import LOADS
from tools.corpus.stories.orders import ORDERS
from tools.corpus.stories.papers import EXCEPTIONS, HOLDS, INVOICES, PROOFS
from tools.corpus.stories.processes import FULFILMENTS, WAVES

STORIES = (*ORDERS, *LOADS, *PROOFS, *INVOICES, *EXCEPTIONS, *HOLDS, *FULFILMENTS, *WAVES, *EXCURSIONS)
"""Every story. A new one is added here; the entries of earlier runs stay as they are."""
