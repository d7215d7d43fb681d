"""One module family per ERP system; ``port`` says what each must offer."""
