"""What is derived from the declarations: the representation, the codec, the endpoints, the bench binding."""
