"""`AWS::ApiGateway::*`: REST APIs, whole or part by part.

Everything but authorizers and stages goes live with a deployment only, so that a part may be taken away and put back
while calls are answered. Changes are worked out against what is there, not against what the template once said: they
can be made twice.
Source: reference, control plane, sections 2 and 7.
"""

from typing import Final

from scopegate.stacks.types.apigateway import parts, rest_apis, stages, usage

TYPES: Final = {**parts.TYPES, **rest_apis.TYPES, **stages.TYPES, **usage.TYPES}
