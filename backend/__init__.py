"""ClawBench: agent benchmarks behind one MCP server."""

__version__ = "0.1.0"
