"""Keys, signing and verification of JSON Web Tokens."""
