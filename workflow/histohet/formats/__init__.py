"""Files of the field, written so that the next tool reads them."""
