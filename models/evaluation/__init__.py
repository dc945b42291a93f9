"""How good a forecast is, said so that whoever pays for the campaign can read it."""
