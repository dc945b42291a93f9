"""How likely is it taken? Every estimator of models that may answer, one file each, compared on people they never met."""
