"""One module per method: its `PROCEDURE`, how it is trained and how its networks are drawn."""
