"""Labels that deserve a second look: ranking them, and the evidence for each explanation."""
