"""Operations: what takes time and changes what the machine holds; who runs them, and what became of them."""
