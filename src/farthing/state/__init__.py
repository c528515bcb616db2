"""What we believe: fold(Observation) into a World, Snapshots of it, assume and forget."""
