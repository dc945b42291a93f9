"""How likely is it taken? Every family of models that may answer, one file each, compared on people they never met."""
