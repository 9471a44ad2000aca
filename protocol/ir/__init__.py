"""The intermediate representation: the declarations as frozen values, and what follows from them."""
