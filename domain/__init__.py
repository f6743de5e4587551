"""The words of DESIGN section 1 as types, the Protocols of the stages, the Deadline and the errors. Standard library and NumPy only, no I/O."""
