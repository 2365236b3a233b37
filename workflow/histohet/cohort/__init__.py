"""Who is analysed, and on which score: analyses, groups, patients."""
