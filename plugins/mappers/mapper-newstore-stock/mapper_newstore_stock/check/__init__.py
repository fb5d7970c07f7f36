"""What of a run can be known before it is made: settings, ledger, lists, clocks, locations. Nothing is changed."""
