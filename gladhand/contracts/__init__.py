"""The contract as an object: read from images, drawn, compared, released. Knows no logistics."""
