"""The gateway to ERP systems: sales orders in, deliveries and invoices back, one instance per ERP."""
