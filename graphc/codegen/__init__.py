"""Loop IR to native code: the source writer and the targets."""
