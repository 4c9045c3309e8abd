"""How a connection comes to render and send its statements under the guard."""
