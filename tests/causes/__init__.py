"""What `up` says of setups that can't work, and after how many seconds: tried on the lab, row by row."""
