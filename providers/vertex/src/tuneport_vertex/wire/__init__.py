"""What goes over the wire, as pure functions: no request, no clock, no SDK."""
