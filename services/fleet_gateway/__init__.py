"""Planning and dispatch: wraps fleet systems behind `logistics.dispatch.v1.DispatchService`."""
