"""What people see: the page, the terminal, the pictures, and files written whole."""
