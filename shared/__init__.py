"""The core of Slipway: rules and storage, without any knowledge of who calls."""
