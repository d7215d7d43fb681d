"""Who is on the other side of a connection, what that side may do, and how often."""
