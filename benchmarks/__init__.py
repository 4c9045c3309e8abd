"""What the package costs, measured side by side. ``make bench`` runs every module here."""
