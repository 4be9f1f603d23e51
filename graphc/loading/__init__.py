"""What files hold -> functions."""
