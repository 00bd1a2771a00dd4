"""Which things are in pictures, by their boxes, and in texts, by their words; and questions about them."""
