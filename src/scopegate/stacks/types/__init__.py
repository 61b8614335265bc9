"""How each CloudFormation type lives, one module per service. The registry is `stacks/resources.py`."""
