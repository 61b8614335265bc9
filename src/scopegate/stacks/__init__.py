"""Templates: SAM, CloudFormation and OpenAPI files become running resources through the same operations as any call."""
