"""What runs at the server: admission, aggregation, synthesis of the release."""
