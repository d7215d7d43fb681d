"""The demo: orders travel from a real ERP to posted invoices, along recorded drives through Denver."""
