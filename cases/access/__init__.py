"""Who is asking, and may they? No word of pathology in here."""
