"""Downloads: how models come to this machine, whoever names them."""
