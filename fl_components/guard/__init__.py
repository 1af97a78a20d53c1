"""The site's egress policy, its filter and its ledger."""
