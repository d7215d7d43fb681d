"""One translation for each protocol that a device, phone or vendor speaks: bytes in, reports out (pure)."""
