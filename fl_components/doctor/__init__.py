"""The doctor: whether a site is ready to take part, found out without logging in as the site."""
