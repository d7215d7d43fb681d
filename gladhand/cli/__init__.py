"""The `gladhand` command: starts the mesh of this machine and looks into it, over gRPC and the bus only."""
