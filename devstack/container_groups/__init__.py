"""A service that speaks the Azure Container Instances REST and runs each group as a confined container."""
