"""How far clusters of tiles stay the same when every tile is turned about its own centre."""
