"""What can be seen of a deployment: traces as text, traces and metrics as OTLP."""
