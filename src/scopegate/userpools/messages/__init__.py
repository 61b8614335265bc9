"""What a user pool writes to its users: the texts, the codes in them, and their way out.

`compose` (the text) → `queries.keep_message` (the outbox, in the caller's transaction) → `post` (mail, or the pool's
own sender). A code that is not mailed, for want of a server or by its refusal, is still found in the outbox.
"""
