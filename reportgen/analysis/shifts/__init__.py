"""How the model does on pictures that are not quite as those it was tested on."""
