"""The commands of `clawbench`: each module has `register(app)`, which puts its commands on the given Typer app."""
