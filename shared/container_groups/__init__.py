"""Container groups: started, looked at and deleted through Azure Container Instances."""
