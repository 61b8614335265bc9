"""The users and groups of user pools: who they are, what is known of them, what they sign in with."""
