"""New answers from a trained model: asked, checked, and written as a source to learn from."""
