"""Break a deploy over three hosts at every step in every way, and judge from outside how it ends."""
