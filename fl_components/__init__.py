"""What the federation's jobs are made of: cohort, anatomy, networks, training, client, server, guard."""
