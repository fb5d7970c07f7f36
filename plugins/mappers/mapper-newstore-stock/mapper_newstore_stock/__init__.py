"""Singer inline mapper that turns fulfilment events and on-hand into stock records."""
