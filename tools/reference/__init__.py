"""The reference of the contract, written from an image with its comments: Markdown pages and an AsyncAPI document."""
