"""The program under Pulumi's real engine."""
