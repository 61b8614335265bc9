"""The pages that people sign in by: templates, words in twelve languages, one stylesheet, no script.

What is asked and what is answered is decided in `oauth/`; this room only knows how it looks.
"""
