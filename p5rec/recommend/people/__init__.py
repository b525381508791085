"""What people told a running model: their profiles and feedback, in files beside a run."""
