"""The attacks: one module a family of attacks, one score a subject, higher = more like a member."""
