"""Singer tap for NewStore fulfilment events, and the receiver that stores them."""
