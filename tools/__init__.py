"""What tasks.py is made of; nothing here is installed with Stagecraft."""
