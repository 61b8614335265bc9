"""Who operates this server: access keys, sessions of roles, and the roles and policies that tools deploy."""
