"""The examples' pages in a browser."""
