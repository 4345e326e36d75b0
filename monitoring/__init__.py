"""Watches the service from outside: reads the prediction log, reports, and configures who alerts."""
