"""The review of previews."""
