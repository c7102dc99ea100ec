"""The walkthrough on the lab's real cluster."""
