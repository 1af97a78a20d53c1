"""How real a release looks beside a site's own scans: the tumour's rim, distributions of features, whole volumes."""
