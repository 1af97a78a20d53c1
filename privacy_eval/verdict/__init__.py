"""From the sites' answers to the verdict: policy, family, power, combination."""
