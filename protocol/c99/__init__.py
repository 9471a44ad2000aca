"""The C codec as generated files: `opal.h` and `opal.c`, to be copied into a firmware; `accelerator.c`, for Python."""
