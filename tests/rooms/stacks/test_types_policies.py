"""What a deployment tells of policies that decide nothing here."""

from tests.rooms.stacks.driver import Stack

ROLE = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
      ManagedPolicyArns:
        - arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole
        - arn:aws:iam::aws:policy/AmazonRekognitionFullAccess
Outputs:
  Role: {Value: !Ref Role}
"""


def test_a_managed_policy_that_is_not_known_is_told_of(stack: Stack) -> None:
    """It can be attached, as on AWS, and grants nothing."""
    name = stack.deploy(ROLE)["Role"]

    (note,) = [note for note in stack.notes() if "not known" in note]
    assert note == (
        f"{name}: arn:aws:iam::aws:policy/AmazonRekognitionFullAccess is not known here and grants nothing; "
        "see docs/policies.md"
    )
