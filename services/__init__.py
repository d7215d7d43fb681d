"""The services of the mesh, one package each; they meet in the contract and never import each other."""
