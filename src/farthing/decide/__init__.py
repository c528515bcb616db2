"""What should happen: asks, order, placement, release, explanation. Snapshot in, Plan out."""
