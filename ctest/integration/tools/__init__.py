"""What the integration tests share: a lab, initiators, and packets that should not be."""
