"""Cognito user pools' control plane: the operations of the service `cognito-idp`.

Every public function of these modules whose name is an operation in snake_case is that operation. What the service
model says (required members, lengths, patterns, enums) was checked before one is called; texts of refusals are in
`refusals.py`. What the stored documents mean for tokens is read in `userpools/compile.py`.
"""
