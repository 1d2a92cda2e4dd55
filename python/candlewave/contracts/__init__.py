"""What parts agree on: topics, records, the API's documents."""
