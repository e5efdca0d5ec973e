"""What a store serves, one room for each kind of call."""
