"""The measurements behind docs/adr: small, seeded, each reproduced by the command in its decision."""
