"""The operations of `apigateway`: the control plane of REST APIs.

Every public function named as an operation of the service model *is* that operation. What they share stands in modules
without operations: `refusals` (AWS's words), `lookup` (a part or its not-found text), `paging`, `patch` (the patch
machinery), `mapping_expressions`, `test_calls`.
A change to an API is a change to its draft; calls see a draft only after a deployment has taken a snapshot of it.
Source: reference, "Amazon API Gateway, control plane".
"""
