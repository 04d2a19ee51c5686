"""Analysis of the predictable errors of a trained router, and the gain from correcting them."""
