"""How declared names become names of value classes and enumerations."""


def camel(name: str) -> str:
    """PWR_REQUEST → PwrRequest."""
    return "".join(word.capitalize() for word in name.replace("-", "_").split("_"))


def singular(space: str) -> str:
    """The name of a TLV space, for one of its TLVs: properties → Property."""
    return camel(space[:-3] + "y" if space.endswith("ies") else space.removesuffix("s"))
