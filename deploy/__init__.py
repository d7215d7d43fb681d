"""Processes of other systems that the demo and the tests run beside the services."""
