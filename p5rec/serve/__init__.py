"""A model for other programs: tools, and a server of the Model Context Protocol."""
