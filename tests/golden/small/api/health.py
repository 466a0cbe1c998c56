import os, sys
sys.exit(not os.path.exists("ready"))  # well once the server has got that far
